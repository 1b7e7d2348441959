"""Closed-form fits to the training rows: scaling, principal components, discriminants.

Each function takes ``values`` (rows, width) and ``labels`` (rows,), class numbers from 0, and returns
the arrays of a layer of `emotionnet.layers.fitted`, in the order of its weights, float32. The same
rows give the same arrays; a column's sign is fixed, its largest weight is positive. Nothing here
imports Keras.
"""

from collections.abc import Sequence

import numpy as np

from emotionnet.errors import EmotionNetError

#: Directions with a smaller share of the variance of the strongest one count as none.
_RANK = 1e-10
#: The same in the space of a kernel, where weaker directions need weights too large for float32.
_KERNEL_RANK = 1e-6
#: Bytes that a block of distances may take.
_BLOCK_BYTES = 1 << 26


def standard_scaler(values: np.ndarray, labels: np.ndarray | None = None) -> list[np.ndarray]:
    """Mean and deviation of each feature, for `emotionnet.layers.Standardize`.

    A feature that does not vary gets the deviation 1.

    Args:
        values: (rows, width).
        labels: not looked at.

    Returns:
        ``mean`` (width,), ``deviation`` (width,).

    Raises:
        EmotionNetError: no rows, values that are not numbers, or nothing that varies.
    """
    from sklearn.preprocessing import StandardScaler

    fitted = StandardScaler().fit(_rows(values))
    return _float32(fitted.mean_, fitted.scale_)


def pca(
    values: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    units: int,
    scaled: bool = False,
) -> list[np.ndarray]:
    """The directions in which rows differ most, for `emotionnet.layers.Projection`.

    Where the rows span fewer than ``units`` directions, the columns that are left over are zero.
    Directions keep their proportions: if each were brought to deviation 1, rows that are no more than
    the directions would all lie equally far apart.

    Args:
        values: (rows, width).
        labels: not looked at.
        units: number of directions.
        scaled: divide all of them by one number, so that their mean variance is 1.

    Returns:
        ``kernel`` (width, units), ``bias`` (units,); projected rows have mean 0.

    Raises:
        EmotionNetError: as `standard_scaler`.
    """
    values = _rows(values)
    mean, kernel, deviations = _principal(values)
    if scaled:
        kernel = kernel / _root_mean_square(deviations[:units])
    return _projection(mean, kernel, units)


def marginal_fisher(
    values: np.ndarray,
    labels: np.ndarray,
    *,
    units: int,
    num_classes: int | None = None,
    neighbours: int = 5,
    pairs: int = 200,
    ridge: float = 1e-3,
) -> list[np.ndarray]:
    """Marginal Fisher analysis, for `emotionnet.layers.Projection`.

    Two graphs over the rows. Within: a row and its nearest ones of the same class. Between: for each
    class, the shortest pairs of a row in it and one outside. Sought are the directions in which the
    pairs of the second graph lie far apart, measured by those of the first:

        maximise  tr(W' X' (D_p - S_p) X W)  over  tr(W' X' (D - S) X W),

    a generalised eigenproblem, solved in the space that the rows span. Features should have like
    scales, since distances are taken as they are. Graphs are sparse and distances are taken in
    blocks, so that memory grows with the rows and not with their square.

    Args:
        values: (rows, width).
        labels: (rows,) class numbers.
        units: number of directions; columns beyond the rank of the rows are zero.
        num_classes: classes that must be there; None takes those that are.
        neighbours: of a row, in its class (the paper's k1).
        pairs: of a class with the others (k2).
        ridge: added to the within graph's matrix, as a share of its mean eigenvalue.

    Returns:
        ``kernel`` (width, units), ``bias`` (units,), best direction first; projected rows have mean 0.
        Pairs of the within graph lie equally far apart in every direction, so that good directions
        count for more; all are divided by one number, so that their mean variance is 1.

    Raises:
        EmotionNetError: as `standard_scaler`; or a class without rows, or fewer rows than classes.

    Source: Yan et al., "Graph Embedding and Extensions" (PAMI 29, 2007); DV EmotionNet, equations
    16 to 25. All constants are ours.
    """
    from scipy.linalg import eigh

    values, labels = _labelled_rows(values, labels, num_classes)
    mean, basis, deviations = _principal(values)
    rows = (values - mean) @ basis
    within = _scatter(rows, _within_graph(values, labels, neighbours))
    between = _scatter(rows, _between_graph(values, labels, pairs))
    within += np.eye(len(within)) * ridge * np.trace(within) / len(within)
    try:
        _, vectors = eigh(between, within)
    except np.linalg.LinAlgError as error:
        raise EmotionNetError(
            f"{len(values)} rows of {values.shape[1]} features do not determine the directions of "
            "marginal Fisher analysis: use a larger ridge."
        ) from error
    vectors = vectors[:, ::-1][:, :units]
    spread = np.linalg.norm(deviations[:, None] * vectors, axis=0)
    return _projection(mean, basis @ (vectors / _root_mean_square(spread)), units)


def kernel_discriminant(
    values: np.ndarray,
    labels: np.ndarray,
    *,
    points: int,
    num_classes: int | None = None,
    units: int | None = None,
    gamma: float | None = None,
    shrinkage: float | str = 0.1,
    seed: int = 0,
) -> list[np.ndarray]:
    """Kernel linear discriminants, for `emotionnet.layers.KernelProjection`.

    Linear discriminants in the space of the kernel exp(-gamma |x - y|^2), by Nystroem's approximation:
    rows are described by their kernel values against some of them. With all rows as points it is exact.

    Args:
        values: (rows, width).
        labels: (rows,) class numbers.
        points: rows that others are compared with, drawn; where there are fewer rows, all of them, and
            the points that are left over count nothing.
        num_classes: classes that must be there; None takes those that are.
        units: number of discriminants; None is one fewer than classes, which is the most.
        gamma: of the kernel; None is 1 over the squared median distance of two rows.
        shrinkage: of the covariance within classes, 0 to 1, or "auto" (Ledoit and Wolf).
        seed: of the draw of points.

    Returns:
        ``points`` (points, width), ``gamma`` (), ``kernel`` (points, units), ``bias`` (units,);
        projected rows have mean 0 and, within classes, the covariance 1.

    Raises:
        EmotionNetError: as `marginal_fisher`.

    Source: Baudat and Anouar, "Generalized Discriminant Analysis Using a Kernel Approach" (2000);
    system 5's paper, section II-C, which names neither kernel nor widths.
    """
    values, labels = _labelled_rows(values, labels, num_classes)
    nystroem, near = _near_points(values, points, gamma, seed)
    into = nystroem.normalization_.T
    _, directions, _ = _principal(near @ into, _KERNEL_RANK)
    into = into @ directions
    into = into @ _discriminants(near @ into, labels, shrinkage)
    kernel, bias = _projection(near.mean(axis=0), into, units or into.shape[1])
    return _kernel_arrays(nystroem, kernel, bias, points)


def kernel_ridge(
    values: np.ndarray,
    labels: np.ndarray,
    *,
    points: int,
    num_classes: int | None = None,
    gamma: float | None = None,
    ridges: Sequence[float] = (0.03, 0.1, 0.3, 1.0, 3.0),
    seed: int = 0,
) -> list[np.ndarray]:
    """Kernel ridge regression onto the classes, as logits, for `emotionnet.layers.KernelProjection`.

    Rows are described as by `kernel_discriminant`. The ridge is the one whose answers to rows that were left
    out, one at a time, are nearest to the classes (in closed form); a logistic regression on those same
    answers makes logits of them, with every class counting alike, however many rows it has.

    Args:
        values: (rows, width).
        labels: (rows,) class numbers.
        points, num_classes, gamma, seed: as of `kernel_discriminant`.
        ridges: of which one is chosen.

    Returns:
        ``points`` (points, width), ``gamma`` (), ``kernel`` (points, classes), ``bias`` (classes,).

    Raises:
        EmotionNetError: as `marginal_fisher`.

    Source: Saunders, Gammerman and Vovk, "Ridge Regression Learning Algorithm in Dual Variables" (ICML
    1998); the logits are ours.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV

    values, labels = _labelled_rows(values, labels, num_classes)
    classes, labels = np.unique(labels, return_inverse=True)
    nystroem, near = _near_points(values, points, gamma, seed)
    into = nystroem.normalization_.T
    # With a scoring, what is kept are the answers to rows that were left out, and not their errors.
    ridge = RidgeCV(np.array(ridges), scoring="neg_mean_squared_error", store_cv_results=True)
    targets = np.eye(len(classes))[labels]
    # Less their mean, which scikit-learn 1.5 leaves out of these answers, and later versions do not.
    ridge.fit(near @ into, targets - targets.mean(axis=0))
    left_out = ridge.cv_results_[..., list(ridges).index(ridge.alpha_)]
    logistic = LogisticRegression(class_weight="balanced", max_iter=1000).fit(left_out, labels)
    weights, bias = logistic.coef_, logistic.intercept_
    if len(classes) == 2:  # of which scikit-learn keeps one
        weights, bias = np.vstack([-weights, weights]) / 2, np.repeat(bias, 2) / 2 * (-1, 1)
    kernel = into @ ridge.coef_.T @ weights.T
    return _kernel_arrays(nystroem, kernel, weights @ ridge.intercept_ + bias, points)


def even_classes(
    values: np.ndarray, labels: np.ndarray, *, num_classes: int | None = None
) -> list[np.ndarray]:
    """Logits less the logarithm of their class's share of the rows, for `emotionnet.layers.Projection`.

    A network learns how common each class is. Afterwards its answers are those for classes that are all
    equally common, which is what an unweighted average recall asks for.

    Args:
        values: not looked at.
        labels: (rows,) class numbers.
        num_classes: classes that must be there; None takes those that are.

    Returns:
        ``kernel`` (classes, classes), which changes nothing; ``bias`` (classes,) with mean 0.

    Raises:
        EmotionNetError: as `marginal_fisher`.

    Source: Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities" (Neural Computation 14, 2002), equation 2.4.
    """
    _, labels = _labelled_rows(values, labels, num_classes)
    _, counts = np.unique(labels, return_counts=True)
    bias = -np.log(counts / len(labels))
    return _float32(np.eye(len(counts)), bias - bias.mean())


def _near_points(values: np.ndarray, points: int, gamma: float | None, seed: int):
    """Nystroem's approximation with drawn points, fitted, and the kernel of each row against them."""
    from sklearn.kernel_approximation import Nystroem
    from sklearn.metrics.pairwise import rbf_kernel

    gamma = _median_gamma(values) if gamma is None else gamma
    nystroem = Nystroem(
        kernel="rbf",
        gamma=gamma,
        n_components=min(points, len(values)),
        random_state=np.random.RandomState(seed),
    ).fit(values)
    return nystroem, rbf_kernel(values, nystroem.components_, gamma)


def _kernel_arrays(nystroem, kernel, bias, points: int) -> list[np.ndarray]:
    """The weights of a `KernelProjection`; points that are left over count nothing."""
    left = [(0, points - len(kernel)), (0, 0)]
    padded = _float32(np.pad(nystroem.components_, left), np.pad(kernel, left), bias)
    return [padded[0], np.asarray(nystroem.gamma, np.float32), *padded[1:]]


def _discriminants(values, labels, shrinkage):
    """Fisher's linear discriminants (width, classes - 1), float64: within classes rows have the covariance 1."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    fitted = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage)
    try:
        fitted.fit(values, labels)
    except np.linalg.LinAlgError as error:
        raise EmotionNetError(
            f"{len(values)} rows of {values.shape[1]} features do not determine the discriminants: "
            "use a larger shrinkage."
        ) from error
    return fitted.scalings_[:, : len(fitted.classes_) - 1]


def _median_gamma(values: np.ndarray) -> float:
    """1 over the squared median distance of two rows, of up to 1,000 of them evenly spaced."""
    from scipy.spatial.distance import pdist

    some = values[np.linspace(0, len(values) - 1, min(len(values), 1000)).astype(int)]
    median = np.median(pdist(some, "sqeuclidean"))
    # More than half of all pairs are copies of each other: the mean is not 0 (`_rows` has checked).
    return 1.0 / float(median or pdist(some, "sqeuclidean").mean() or 1.0)


def _within_graph(rows, labels, neighbours):
    """Sparse (n, n): 1 where one of two rows is among the other's nearest of its class."""
    from scipy import sparse
    from sklearn.neighbors import NearestNeighbors

    graph = sparse.csr_matrix((len(rows), len(rows)))
    for label in np.unique(labels):
        (own,) = np.nonzero(labels == label)
        count = min(neighbours, len(own) - 1)
        if count < 1:
            continue
        near = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(rows[own])
        near = near.kneighbors(return_distance=False)
        graph = graph + _edges(np.repeat(own, count), own[near.ravel()], len(rows))
    return graph.maximum(graph.T)


def _between_graph(rows, labels, pairs):
    """Sparse (n, n): 1 where two rows are one of the shortest pairs between a class and the rest."""
    from sklearn.metrics.pairwise import euclidean_distances

    first, second = [], []
    for label in np.unique(labels):
        (own,), (others,) = np.nonzero(labels == label), np.nonzero(labels != label)
        step = max(1, _BLOCK_BYTES // (8 * len(others)))
        found = np.empty((0, 3))  # distance, row inside, row outside
        for i in range(0, len(own), step):
            block = own[i : i + step]
            far = euclidean_distances(rows[block], rows[others], squared=True).ravel()
            best = (
                np.argpartition(far, pairs - 1)[:pairs] if pairs < len(far) else np.arange(len(far))
            )
            inside, outside = np.divmod(best, len(others))
            new = np.stack([far[best], block[inside], others[outside]], axis=1)
            found = np.concatenate([found, new])
            found = found[np.argsort(found[:, 0], kind="stable")[:pairs]]
        first.append(found[:, 1].astype(int))
        second.append(found[:, 2].astype(int))
    graph = _edges(np.concatenate(first), np.concatenate(second), len(rows))
    return graph.maximum(graph.T)


def _edges(first, second, count):
    from scipy import sparse

    graph = sparse.csr_matrix((np.ones(len(first)), (first, second)), shape=(count, count))
    graph.data[:] = 1.0  # an edge that was named twice is one edge
    return graph


def _scatter(rows, graph):
    """``rows' (D - S) rows``: half the sum over edges (i, j) and (j, i) of squared differences."""
    degrees = np.asarray(graph.sum(axis=1))
    return rows.T @ (degrees * rows - graph @ rows)


def _principal(values, least=_RANK):
    """Mean (width,), directions (width, rank) and the rows' deviations (rank,) along them."""
    from sklearn.decomposition import PCA

    fitted = PCA(svd_solver="full").fit(values)
    strength = fitted.singular_values_
    rank = int(np.sum(strength**2 > least * strength[0] ** 2))
    directions, deviations = fitted.components_[:rank].T, strength[:rank] / np.sqrt(len(values))
    return fitted.mean_, directions, deviations


def _root_mean_square(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _projection(mean, kernel, units):
    """``kernel`` with signs fixed and ``units`` columns, and the bias that centres what comes out."""
    kernel = kernel[:, :units]
    largest = np.take_along_axis(kernel, np.abs(kernel).argmax(axis=0)[None], axis=0)
    kernel = kernel * np.where(largest < 0, -1.0, 1.0)
    kernel = np.pad(kernel, [(0, 0), (0, units - kernel.shape[1])])
    return _float32(kernel, -mean @ kernel)


def _float32(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(array, np.float32) for array in arrays]


def _rows(values: np.ndarray) -> np.ndarray:
    """``values`` in float64; raises where nothing can be fitted to them."""
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or not values.size:
        raise EmotionNetError(f"nothing to fit to: values have the shape {values.shape}.")
    broken = ~np.isfinite(values).all(axis=1)
    if broken.any():
        raise EmotionNetError(
            f"{broken.sum()} of {len(values)} training rows have features that are no numbers (NaN "
            f"or infinite), the first is row {broken.argmax()}: nothing can be fitted to them."
        )
    if np.ptp(values, axis=0).max() == 0:
        raise EmotionNetError(
            f"all {len(values)} training rows have the same features: nothing can be fitted to "
            "them. There must be at least two different clips."
        )
    return values


def _labelled_rows(values, labels, num_classes) -> tuple[np.ndarray, np.ndarray]:
    values, labels = _rows(values), np.asarray(labels)
    if labels.shape != (len(values),):
        raise EmotionNetError(f"{len(values)} rows have labels of the shape {labels.shape}.")
    here: Sequence[int] = np.unique(labels)
    classes = len(here) if num_classes is None else num_classes
    missing = sorted(set(range(classes)) - set(here.tolist())) if num_classes else []
    if missing:
        raise EmotionNetError(
            f"no training row has class {', '.join(map(str, missing))}; every class needs some to "
            "be distinguished from the others. Leave these classes out, or use another fold."
        )
    if classes < 2:
        raise EmotionNetError("all training rows have the same class: nothing to tell apart.")
    if len(values) <= classes:
        raise EmotionNetError(
            f"{len(values)} training rows are too few for {classes} classes: give several a class."
        )
    return values, labels

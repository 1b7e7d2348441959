"""The words of the reports, explained for those who read one."""

TERMS = (
    (
        "Accuracy (WAR)",
        "The share of clips that were named rightly. Also called weighted average recall.",
    ),
    (
        "UAR",
        "Unweighted average recall: the share named rightly within each emotion, then averaged, so "
        "that a rare emotion counts as much as a frequent one. Guessing among 8 gives 12.5 %.",
    ),
    (
        "95 % interval",
        "Wilson's interval for the accuracy: where the accuracy on many more such clips plausibly "
        "lies. It takes clips as independent; clips of one actor resemble each other, so with few "
        "actors the truth is wider.",
    ),
    (
        "Precision, recall, F1",
        "Precision: of the clips answered as this emotion, how many were it. Recall: of the clips "
        "that were this emotion, how many were found. F1: their harmonic mean. A dash: undefined.",
    ),
    (
        "Macro and weighted average",
        "Over the emotions that have clips: macro counts each alike (the macro average of the recall "
        "is the UAR), weighted counts each by its clips (that of the recall is the accuracy). A "
        "precision that is undefined counts as 0.",
    ),
    (
        "Confusion matrix",
        "A row for each true emotion, a column for each answer. Right answers lie on the diagonal; "
        "darker is a larger share of the row.",
    ),
    (
        "ECE",
        "Expected calibration error: how far, on average, the model's confidence is from how often "
        "it is right. 0 is perfect: of the answers given with 70 % confidence, 70 % are right.",
    ),
    (
        "NLL",
        "Negative log likelihood: the mean of -ln(probability given to the true emotion). "
        "Smaller is better; guessing among 8 gives 2.08.",
    ),
    (
        "Brier",
        "The squared distance between the probabilities and the truth (1 for the true emotion, 0 for "
        "the others), summed over the emotions: 0 is perfect, 2 is certain and wrong.",
    ),
    (
        "Temperature",
        "One number by which all answers of a model are made less sure (above 1) or more (below 1).",
    ),
    (
        "Fused, faces only, speech only",
        "Two networks look at a clip: one sees faces, one hears speech. Fused combines their "
        "probabilities. Each of the two is scored on the clips that have what it needs.",
    ),
    (
        "Protocol, fold, leak",
        "How clips were divided into those for training, for choosing the epoch (validation) and "
        "for this report (test). A fold is one such division. A protocol leaks where the same "
        "people (or copies of a clip) are in training and test: its number says how well known "
        "people are recognised, not new ones.",
    ),
)

"""``python -m emotionnet.fit``: from a corpus (or prepared records) to a trained, evaluated run.

Without arguments it makes the demo corpus, prepares it, trains both streams of the lightweight
system, fuses them and evaluates on actors that the training never saw.
"""

from collections.abc import Sequence

from emotionnet.command import as_verb, command_text
from emotionnet.evaluation.headline import summary
from emotionnet.files import read_json
from emotionnet.runs.new import fit
from emotionnet.training.options import arguments, parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, fits, and prints the headline."""
    folder = fit(**arguments(parser(), argv))
    metrics = read_json(folder / "metrics.json")
    print(f"\n{summary(metrics)}")
    print(f"\nreport     {folder / 'report.html'}")
    print(f"next       {command_text('predict', folder, 'YOUR_CLIP.mp4')}")
    return 0


as_verb(__name__, main)

"""What cards say of the corpora: whose faces and voices, under which licence, and what follows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusFacts:
    """Facts of one corpus.

    Attributes:
        title: its name for people.
        people: who was recorded.
        licence: of the recordings, for people.
        follows: what the licence asks of who uses the model.
        identifier: of the licence, as the Hugging Face Hub calls it.
        link: to the licence, where the Hub has no name for it.
        language: of the speech, ISO 639-1; "" where there is none.
        research_only: no open licence covers the recordings, so what was learnt from them is for research.
    """

    title: str
    people: str
    licence: str
    follows: str
    identifier: str = "other"
    link: str = ""
    language: str = "en"
    research_only: bool = False


_FACTS = {
    "demo": CorpusFacts(
        "EmotionNet demo",
        "nobody: drawn faces and made-up voices",
        "made by EmotionNet, Apache-2.0",
        "The model has never seen or heard a person: its answers about people mean nothing.",
        "apache-2.0",
        language="",
    ),
    "ravdess": CorpusFacts(
        "RAVDESS",
        "24 actors of North American English",
        "CC BY-NC-SA 4.0",
        "Non-commercial use only, with attribution (Livingstone & Russo 2018), shared alike.",
        "cc-by-nc-sa-4.0",
    ),
    "crema_d": CorpusFacts(
        "CREMA-D",
        "91 actors of North American English",
        "ODbL 1.0, contents DbCL 1.0",
        "Attribution (Cao et al. 2014); adapted databases are shared alike.",
        "odbl",
    ),
    "fer2013": CorpusFacts(
        "FER2013",
        "people in pictures that a search engine found",
        "none that is known: the pictures belong to whoever made them",
        "Check whether you may use what was learnt from such pictures (Goodfellow et al. 2013).",
        "unknown",
        language="",
        research_only=True,
    ),
    "iemocap": CorpusFacts(
        "IEMOCAP",
        "10 actors of North American English",
        "the release agreement of the University of Southern California",
        "Research only, as you have agreed with SAIL (Busso et al. 2008).",
        link="https://sail.usc.edu/iemocap/",
        research_only=True,
    ),
    "emodb": CorpusFacts(
        "EMO-DB",
        "10 actors of German",
        "none that is stated; its authors ask for the citation",
        "Check whether you may use it for more than research (Burkhardt et al. 2005).",
        "unknown",
        "http://emodb.bilderbar.info",
        "de",
        True,
    ),
    "enterface": CorpusFacts(
        "eNTERFACE'05",
        "43 people of 14 nations, speaking English",
        "none that is stated; made for research",
        "Check whether you may use it for more than research (Martin et al. 2006).",
        "unknown",
        "https://enterface.net/enterface05/",
        research_only=True,
    ),
}


def facts_of(corpus: str) -> CorpusFacts:
    """Facts of a corpus; of your own clips what can be said of any."""
    own = CorpusFacts(
        corpus,
        "as your own clips have them",
        "that of your own clips",
        "Check that licence and consents.",
        "unknown",
        language="",
    )
    return _FACTS.get(corpus, own)

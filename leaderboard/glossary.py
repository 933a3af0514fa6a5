"""What the words of a table mean, for readers who see nothing but the table."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records import Record
from leaderboard.ranking import FLOOR
from leaderboard.rows import ATTACKED, BELOW, SEEN, WEAKLY

RATES = (
    "**Acc, Rej, Err**: the share of images that a defense classifies correctly, declines to classify, and neither. "
    "They sum to 100%. An image that is rejected counts as rejected alone, also where the class would have been right: "
    "a rejection is neither a success nor an error. An out-distribution image belongs to no class: it is rejected or "
    "an error."
)
AVERAGES = (
    "**average Err, Rej, Acc**: the unweighted means over the attacks named under the leaderboard. Every attack counts "
    "the same, however many images it was run on."
)
HANDED = (
    "**all**: every image handed to the attack, whether the attack succeeded or not. These are test images that the "
    "attacked network classifies correctly, and accepts if it may reject; an attack with a number of images of its own "
    "has the first so many of them, each once for every target."
)
PARTS = (
    "**fooled**: of these, the images whose final version, as stored, the attacked network misclassifies. **victim "
    "correct**: those whose clean version the defense itself classifies correctly."
)
SURROGATE = (
    "**surrogate**: the attacker's own undefended network, trained on the same data from a seed of its own. Images "
    "made on it are shown to every defense alike, as in a black-box attack by transfer. A low Err on them says that "
    "they fail to carry over or are caught; it does not say that no attack on the defense itself would succeed."
)
VICTIM = (
    "**victim**: the defense itself, with its rejection, whose gradients the attack has: a white-box attack. Each row "
    "has images of its own there."
)
STRENGTH = (
    "**source Err**: the share of an attack's images that the network it was **made on** misclassifies: its strength "
    "at home. **hit target**: the share that network gives the class aimed at, or rejects where that was aimed at. "
    "**reached κ**: the share it misclassifies by the margin κ that the attack asks for. **L2, L∞**: the median "
    "distance to the clean image over all images handed to the attack, failures included, in units of the pixel range "
    "[0, 1]."
)
INTERVALS = (
    "**[low, high]**: a 95% interval. One seed: Wilson's over the images, and for averages a bootstrap that resamples "
    "source images; neither holds what another training run would change, and Wilson's counts C&W's two images of one "
    "source as two. Two seeds: the two values, no 95% interval. Three or more: Student's t over the seeds' values; all "
    "seeds share the test images, for C&W the same few, so that it holds what other trainings would change and not "
    "what other images would. An interval without width says that the seeds agree, not that the rate is known exactly. "
    "Of many intervals, some miss. Images are counted once for every seed."
)
RANK = (
    f"**rank**: by average Err. A row whose clean Acc is more than {100 * FLOOR:.0f} points below naive's ranks after "
    "the others, for who rejects everything makes no error; the paper claims that its own defenses stay above that. "
    "Controls are shown apart, without a rank. Where intervals overlap, the order may be chance."
)
MARKS = (
    f"**{BELOW}**: below that floor. **{ATTACKED}**: trained on adversarial images, the attacker's kind or another. "
    f"**{WEAKLY}**: an attack of the average is weak against it. **{SEEN}**: trained on other images of that set."
)


def words(records: Sequence[Record]) -> str:
    """Return what the words of records' table mean, as a list in Markdown."""
    sources = {record.header.source for record in records if record.header.kind == "attack"}
    items = [
        RATES,
        AVERAGES,
        HANDED,
        *((PARTS, SURROGATE) if sources - {"victim"} else ()),
        *((VICTIM,) if "victim" in sources else ()),
        STRENGTH,
        INTERVALS,
        RANK,
        MARKS,
    ]
    return "\n".join(f"- {item}" for item in items)

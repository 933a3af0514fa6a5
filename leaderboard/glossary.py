"""What the words of a table mean, for readers who see nothing but the table."""

from __future__ import annotations

from leaderboard.ranking import FLOOR

WORDS = f"""\
- **Acc, Rej, Err**: the share of images that a defense classifies correctly, declines to classify, and neither. They
  sum to 100%. An image that is rejected counts as rejected alone, also where the class would have been right: a
  rejection is neither a success nor an error. An out-distribution image belongs to no class: it is rejected or an
  error.
- **average Err**: the unweighted mean of Err over the attacks named under the leaderboard. Every attack counts the
  same, however many images it was run on.
- **all, fooled, victim correct**: the images that a rate is a share of. All: every image handed to the attack, whether
  the attack succeeded or not; these are test images that the attacked network classifies correctly (for C&W a sample
  of them, each with two targets). Fooled: those whose final image, as stored, the attacked network misclassifies.
  Victim correct: those whose clean image the defense itself classifies correctly.
- **surrogate**: the attacker's own undefended network, trained on the same data from a seed of its own. Images made on
  it are shown to every defense alike. A low Err on them says that they fail to carry over or are caught; it does not
  say that no attack on the defense itself would succeed. **Made on** names the network each attack was made on.
- **source Err**: the share of an attack's images that the network it was made on misclassifies: its strength at home.
  **hit target**: the share that network gives the class aimed at, or rejects where that was aimed at. **reached κ**:
  the share it misclassifies by the margin κ that the attack asks for. **L2, L∞**: the median distance to the clean
  image over all images handed to the attack, failures included, in units of the pixel range [0, 1].
- **[low, high]**: a 95% interval. One seed: Wilson's over the images, and for the average Err a bootstrap that
  resamples source images; neither holds what another training run would change, and Wilson's counts C&W's two images
  of one source as two. Two seeds: the two values, no 95% interval. Three or more: Student's t over the seeds' values;
  all seeds share the test images, for C&W the same few, so that it holds what other trainings would change and not what
  other images would. Images are counted once for every seed.
- **rank**: by average Err. A row whose clean Acc is more than {100 * FLOOR:.0f} points below naive's ranks after the
  others, for who rejects everything makes no error. ‡: it was trained on adversarial images, the attacker's kind or
  another. Controls are shown apart, without a rank. Where intervals overlap, the order may be chance.
"""

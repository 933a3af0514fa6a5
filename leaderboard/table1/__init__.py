"""The paper's Table I beside ours: every cell, the paper's claims with verdicts, and what the table can tell."""

"""The one place that imports Foolbox: it works without a git executable and without the warning of that import."""

from __future__ import annotations

import os
import warnings

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # GitPython, which Foolbox imports, fails where there is no git
with warnings.catch_warnings():
    # Foolbox 3.3.4 imports a SciPy namespace that SciPy 2 drops; the dependency on scipy<2 answers the warning.
    warnings.filterwarnings("ignore", message="Please (import|use)", category=DeprecationWarning)
    from foolbox.attacks.base import (
        FixedEpsilonAttack,
        MinimizationAttack,
        get_criterion,
        raise_if_kwargs,
        verify_input_bounds,
    )
    from foolbox.attacks.basic_iterative_method import LinfBasicIterativeAttack
    from foolbox.attacks.carlini_wagner import L2CarliniWagnerAttack
    from foolbox.attacks.deepfool import L2DeepFoolAttack
    from foolbox.attacks.fast_gradient_method import LinfFastGradientAttack
    from foolbox.attacks.gradient_descent_base import LinfBaseGradientDescent
    from foolbox.criteria import Criterion, Misclassification, TargetedMisclassification
    from foolbox.models.base import Model
    from foolbox.models.pytorch import PyTorchModel

Attack = FixedEpsilonAttack | MinimizationAttack
"""Foolbox's two kinds: within a budget, or by the least distance."""

__all__ = [
    "Attack",
    "Criterion",
    "FixedEpsilonAttack",
    "L2CarliniWagnerAttack",
    "L2DeepFoolAttack",
    "LinfBaseGradientDescent",
    "LinfBasicIterativeAttack",
    "LinfFastGradientAttack",
    "Misclassification",
    "Model",
    "PyTorchModel",
    "TargetedMisclassification",
    "get_criterion",
    "raise_if_kwargs",
    "verify_input_bounds",
]

"""What a checkout holds, and what it does not show, asked of the user's own git."""

from reconciler.checkout.git import Git
from reconciler.checkout.inspection import Checkout
from reconciler.checkout.state_folder import is_ignored, require_own_state

__all__ = ["Checkout", "Git", "is_ignored", "require_own_state"]

"""What commands do: plan, apply, restore, query, and what is noted around them."""

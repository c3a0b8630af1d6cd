"""Jobs on second copies: adding one, copying, proving, and taking back."""

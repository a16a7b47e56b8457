"""How good it is: the multilingual model, the group models, and the whole service path, side by side."""

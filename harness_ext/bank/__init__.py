"""``oodrop bank make``: rewordings by a model on this machine."""

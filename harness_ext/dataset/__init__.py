"""``oodrop data``: building the procedural data and the task folders, and their audit."""

"""L3: the only layer that imports torch. This module itself stays light."""

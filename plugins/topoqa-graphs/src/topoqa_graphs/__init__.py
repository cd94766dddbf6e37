"""Interface graphs of protein complexes, from structures to what TopoQA trains on."""

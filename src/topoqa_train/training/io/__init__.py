"""Reading of torch files without running code from them."""

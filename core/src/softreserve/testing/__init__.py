"""For tests of plugins, ours and others'; needs the extra ``testing`` where a module says so."""

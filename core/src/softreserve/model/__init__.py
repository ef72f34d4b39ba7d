"""What goes into a boot: frozen values only. Nothing here changes once it is made."""

"""What each command of the command line does with its options; no command knows another's parser."""

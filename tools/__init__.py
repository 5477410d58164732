"""What the Makefile and the tests call: the address, the rules for notebooks, their execution, the room."""

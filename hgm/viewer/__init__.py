"""Results in a browser: layers, the cameras of the rig, a turn and screenshots."""

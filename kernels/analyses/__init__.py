"""What the plots show, computed: pure functions of experiments, with numpy arrays in their results."""

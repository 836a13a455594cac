"""The SQL of the resource ``google.healthcare.instances`` → a retrieve, or a plan."""

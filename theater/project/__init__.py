"""From a source to a component: what builds it, when that is needed, and what the machine has."""

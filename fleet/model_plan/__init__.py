"""From a model, a fleet file and profiles to a plan that can be deployed. Decisions are pure."""

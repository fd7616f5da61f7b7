"""The main job played end to end: the four people of the municipality's own case descriptions (001:469-507).

Everything goes through the HTTP doors that production uses, with real tokens, and every promise in the table at the
end is claimed from something that this run measured. `chapters_*` tell the story, `evidence` gathers what was seen,
`promises` judges it, `report` prints it.
"""

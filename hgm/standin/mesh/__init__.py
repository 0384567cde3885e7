"""Triangle meshes as the stand-ins need them: cut, refined, sewn and united."""

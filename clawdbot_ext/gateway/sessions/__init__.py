"""Operations on sessions that more than one method or command uses."""

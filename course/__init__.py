"""The course module: exercises with checks, quizzes, an instructor's guide (`make course`)."""

"""What the tasks of a DAG that mlspec has written share."""

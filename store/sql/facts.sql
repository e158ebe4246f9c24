-- facts: The facts about the file itself.
SELECT key, value FROM meta ORDER BY key;

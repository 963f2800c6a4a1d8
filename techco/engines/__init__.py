"""Which Spark session an engine gives, and how its server is started and reached."""

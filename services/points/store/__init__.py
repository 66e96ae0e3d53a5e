"""The tables of the service: functions over a connection that neither commit nor catch."""

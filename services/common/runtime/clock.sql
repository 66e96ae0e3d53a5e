-- load_simulated_time --
SELECT simulated_time
  FROM service_clock;

-- save_simulated_time --
-- Time only goes forwards, also when two processes set it at once.
INSERT INTO service_clock (only_row, simulated_time)
VALUES (true, $1)
    ON CONFLICT (only_row)
    DO UPDATE SET simulated_time = greatest(service_clock.simulated_time, excluded.simulated_time)
RETURNING simulated_time;

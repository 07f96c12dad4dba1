"""The gateway protocol, version 3: frames, parameters, results, errors. No I/O; imports nothing of ours from above."""

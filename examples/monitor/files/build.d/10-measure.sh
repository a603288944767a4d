# -e: a script goes on after a command that fails, and the image would be made without its program.
set -e
cd /usr/src/monitor
cc -std=c17 -O2 -s -Wall -Wextra -Werror -o /usr/local/bin/measure measure.c -lsystemd
# What files/ brings stays in the image unless a script removes it.
rm measure.c

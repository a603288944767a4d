// Measures the device every so many seconds, and leaves the figures in a file: a name and a number on each line, as
// Prometheus reads them.

#define _DEFAULT_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define FIGURES "/run/monitor/figures"
#define NEW FIGURES ".new"

// What programs can still have, which is more than what is free: proc(5).
static unsigned long long available_memory(void)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "r");
    if (!file)
        err(1, "/proc/meminfo");
    while (fgets(line, sizeof line, file) && sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
        ;
    fclose(file);
    return kib * 1024;
}

static void measure(FILE *out)
{
    double load;
    struct sysinfo system;
    struct statvfs storage;
    if (getloadavg(&load, 1) != 1)
        errx(1, "the load is not known");
    if (sysinfo(&system) != 0)
        err(1, "sysinfo");
    if (statvfs("/", &storage) != 0)
        err(1, "/");
    fprintf(out, "uptime_seconds %ld\n", system.uptime);
    fprintf(out, "load1 %.2f\n", load);
    fprintf(out, "memory_total_bytes %llu\n", (unsigned long long)system.totalram * system.mem_unit);
    fprintf(out, "memory_available_bytes %llu\n", available_memory());
    // What is written on the device is in memory, so there may be little room.
    fprintf(out, "storage_available_bytes %llu\n", (unsigned long long)storage.f_bavail * storage.f_frsize);
}

int main(int argc, char **argv)
{
    unsigned seconds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (seconds == 0)
        errx(2, "usage: measure SECONDS");
    for (;;) {
        FILE *file = fopen(NEW, "w");
        if (!file)
            err(1, NEW);
        measure(file);
        // Renamed when it is whole, so that nobody reads half of it.
        if (fclose(file) != 0 || rename(NEW, FIGURES) != 0)
            err(1, FIGURES);
        sd_notify(0, "READY=1");
        sleep(seconds);
    }
}

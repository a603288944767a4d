//! The agent's tests that need more than the kernel of the host may have: VLANs, bonds, WireGuard.

use std::time::Duration;

use genpack_tests::{GuestSetup, guest_tests};

/// How long all of them may take.
const DEADLINE: Duration = Duration::from_secs(600);

#[test]
fn the_agents_own_tests_pass_in_a_guest() {
    let disk = guest_tests("guest");
    let guest = GuestSetup::new("guest-tests", DEADLINE * 2)
        .disk(disk)
        .switch_on();
    // The tests start agents of their own; this one is not to get in their way.
    guest.run("systemctl mask --runtime --now genpack-config-agent");
    guest.run("mkdir /run/tests && mount -o ro /dev/vdb /run/tests");
    let command = "set -o pipefail
        export GENPACK_CONFIG_AGENT=/usr/lib/genpack/genpack-config-agent
        cd /tmp && /run/tests/guest --test-threads=2 2>&1 | tee /dev/console";
    let answer = guest.answer(command, DEADLINE);
    let failed: Vec<&str> = answer
        .output
        .lines()
        .filter(|line| line.ends_with("... FAILED"))
        .collect();
    assert_eq!(
        answer.status,
        0,
        "{}\n--- all of it\n{}",
        failed.join("\n"),
        answer.output
    );
    assert!(answer.output.contains("test result: ok"), "{}", answer.output);
}

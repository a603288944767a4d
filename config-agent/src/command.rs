//! The one runner of other programs: with a time limit, and with no more of their output than is wanted.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Most of what is kept of the complaints of a program, in bytes.
const COMPLAINT_LIMIT: u64 = 400;

/// Runs a program and returns the first `size_limit` bytes of its output. Fails when it can't be started, takes longer than
/// `time_limit` (it is killed then), or ends with an error; the message has the command and what it complained of.
pub async fn output(program: &str, args: &[&str], time_limit: Duration, size_limit: u64) -> Result<Vec<u8>> {
    let run = async {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("it can't be started")?;
        let (mut output, mut complaint) = (Vec::new(), Vec::new());
        let stdout = child.stdout.take().context("its output can't be read")?;
        let stderr = child.stderr.take().context("its output can't be read")?;
        // Closed at the limit: a program that goes on writing is ended by that.
        let (read, _) = tokio::join!(
            read_some(stdout, size_limit, &mut output),
            read_some(stderr, COMPLAINT_LIMIT, &mut complaint)
        );
        read.context("its output can't be read")?;
        let status = child.wait().await.context("waiting for its end")?;
        let cut = output.len() as u64 == size_limit;
        if !status.success() && !cut {
            bail!("{status}: {}", String::from_utf8_lossy(&complaint).trim());
        }
        Ok(output)
    };
    let outcome = tokio::time::timeout(time_limit, run).await;
    outcome
        .unwrap_or_else(|_| bail!("it takes longer than {} s", time_limit.as_secs()))
        .with_context(|| format!("{program} {}", args.join(" ")))
}

async fn read_some(
    from: impl tokio::io::AsyncRead + Unpin,
    limit: u64,
    to: &mut Vec<u8>,
) -> std::io::Result<usize> {
    from.take(limit).read_to_end(to).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str], time_limit: Duration) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let output = runtime.block_on(output(args[0], &args[1..], time_limit, 10));
        output.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn output_is_bounded_in_size_and_time() {
        let long = Duration::from_secs(60);
        assert_eq!(run(&["echo", "well"], long).unwrap(), "well\n");
        assert_eq!(run(&["yes"], long).unwrap(), "y\ny\ny\ny\ny\n");
        let error = run(&["sleep", "600"], Duration::from_millis(100)).unwrap_err();
        assert!(
            error.chain().any(|cause| cause.to_string().contains("longer")),
            "{error:#}"
        );
        let error = format!("{:#}", run(&["ls", "/none"], long).unwrap_err());
        assert!(error.starts_with("ls /none: exit status: 2: "), "{error}");
        assert!(run(&["/none/at-all"], long).is_err());
    }
}

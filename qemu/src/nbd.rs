//! The bytes of a disk image of any format, by way of `qemu-nbd`.
//!
//! It needs neither root nor a kernel module, understands every format that QEMU does, and takes QEMU's own locks, so
//! that an image cannot be changed under a running machine. The protocol is NBD's fixed newstyle
//! (<https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>).

use crate::error::{Error, Result};
use crate::overlay::Disk;
use crate::process;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Blocks are cached whole: a FAT driver reads and writes a few bytes at a time. One is as large as a qcow2 cluster.
const BLOCK: u64 = 64 * 1024;

/// How many blocks are cached before they are written back and forgotten: 32 MiB.
const CACHED: usize = 512;

/// Longer than any request takes on a loaded host.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
enum Request {
    Read = 0,
    Write = 1,
    Disconnect = 2,
    Flush = 3,
}

/// A disk image, open for reading and writing through a cache; [`NbdDisk::close`] writes back what is in it.
pub(crate) struct NbdDisk {
    stream: UnixStream,
    /// The part of the disk that is seen, and the position in it.
    window: Range<u64>,
    position: u64,
    size: u64,
    blocks: HashMap<u64, Block>,
    server: Server,
}

struct Block {
    bytes: Vec<u8>,
    dirty: bool,
}

impl NbdDisk {
    pub(crate) fn open(disk: &Disk) -> Result<NbdDisk> {
        let (server, mut stream) = Server::start(disk)?;
        match handshake(&mut stream) {
            Ok(size) => Ok(NbdDisk {
                stream,
                window: 0..size,
                position: 0,
                size,
                blocks: HashMap::new(),
                server,
            }),
            // The server says why better than the broken connection does.
            Err(error) => {
                drop(stream);
                server.wait()?;
                Err(Error::Io {
                    doing: format!("opening {} through qemu-nbd", disk.path.display()),
                    source: error,
                })
            }
        }
    }

    /// Narrows the view to these bytes of the disk.
    pub(crate) fn set_window(&mut self, window: Range<u64>) {
        self.window = window.start..window.end.min(self.size);
        self.position = 0;
    }

    /// Writes back what is cached, has it flushed to the image, and waits until the image is free.
    pub(crate) fn close(mut self) -> Result<()> {
        let doing = format!("writing to {}", self.server.image);
        self.write_back_and_leave().map_err(Error::io(doing))?;
        drop(self.stream);
        self.server.wait()
    }

    fn write_back_and_leave(&mut self) -> io::Result<()> {
        self.write_back()?;
        self.request(Request::Flush, 0, 0)?;
        self.done()?;
        self.request(Request::Disconnect, 0, 0)
    }

    fn write_back(&mut self) -> io::Result<()> {
        let dirty = |(&start, block): (&u64, &mut Block)| std::mem::take(&mut block.dirty).then_some(start);
        let mut starts: Vec<u64> = self.blocks.iter_mut().filter_map(dirty).collect();
        starts.sort_unstable();
        for start in starts {
            let length = self.blocks[&start].bytes.len();
            self.request(Request::Write, start, length)?;
            self.stream.write_all(&self.blocks[&start].bytes)?;
            self.done()?;
        }
        Ok(())
    }

    /// The block at that multiple of [`BLOCK`].
    fn block(&mut self, start: u64) -> io::Result<&mut Block> {
        if !self.blocks.contains_key(&start) {
            if self.blocks.len() >= CACHED {
                self.write_back()?;
                self.blocks.clear();
            }
            let mut bytes = vec![0; BLOCK.min(self.size - start) as usize];
            self.request(Request::Read, start, bytes.len())?;
            self.done()?;
            self.stream.read_exact(&mut bytes)?;
            self.blocks.insert(start, Block { bytes, dirty: false });
        }
        self.blocks
            .get_mut(&start)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The block at the position, and the range in it of up to `wanted` bytes that are inside the window.
    fn here(&mut self, wanted: usize) -> io::Result<Option<(&mut Block, Range<usize>)>> {
        let at = self.window.start + self.position;
        let (start, offset) = (at - at % BLOCK, at % BLOCK);
        let count = (BLOCK - offset)
            .min(self.window.end.saturating_sub(at))
            .min(wanted as u64);
        if count == 0 {
            return Ok(None);
        }
        self.position += count;
        Ok(Some((
            self.block(start)?,
            offset as usize..(offset + count) as usize,
        )))
    }

    fn request(&mut self, request: Request, offset: u64, length: usize) -> io::Result<()> {
        const MAGIC: u32 = 0x2560_9513;
        let mut message = Vec::with_capacity(28);
        message.extend(MAGIC.to_be_bytes());
        message.extend((request as u32).to_be_bytes());
        // The cookie, which comes back: there is one request at a time, so it need not tell anything.
        message.extend(0_u64.to_be_bytes());
        message.extend(offset.to_be_bytes());
        message.extend((length as u32).to_be_bytes());
        self.stream.write_all(&message)
    }

    /// Reads the head of the reply to a request.
    fn done(&mut self) -> io::Result<()> {
        const MAGIC: [u8; 4] = 0x6744_6698_u32.to_be_bytes();
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        match u32::from_be_bytes([head[4], head[5], head[6], head[7]]) {
            _ if head[..4] != MAGIC => Err(not_nbd()),
            0 => Ok(()),
            // NBD's error numbers are Linux's.
            number => Err(io::Error::from_raw_os_error(number.cast_signed())),
        }
    }
}

impl Read for NbdDisk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((block, range)) = self.here(buffer.len())? else {
            return Ok(0);
        };
        let count = range.len();
        buffer[..count].copy_from_slice(&block.bytes[range]);
        Ok(count)
    }
}

impl Write for NbdDisk {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let Some((block, range)) = self.here(buffer.len())? else {
            return Ok(0);
        };
        let count = range.len();
        block.bytes[range].copy_from_slice(&buffer[..count]);
        block.dirty = true;
        Ok(count)
    }

    /// Does nothing: FAT drivers flush often, and nobody looks before [`NbdDisk::close`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for NbdDisk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => (self.window.end - self.window.start).checked_add_signed(offset),
        };
        let in_range = position.filter(|position| self.window.start.checked_add(*position).is_some());
        self.position = in_range.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Takes the export without a name; its size.
fn handshake(stream: &mut UnixStream) -> io::Result<u64> {
    const EXPORT_NAME: u32 = 1;
    const FIXED_NEWSTYLE_NO_ZEROES: u32 = 3;
    let mut greeting = [0; 18];
    stream.read_exact(&mut greeting)?;
    if !greeting.starts_with(b"NBDMAGICIHAVEOPT") {
        return Err(not_nbd());
    }
    let mut option = Vec::new();
    option.extend(FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes());
    option.extend(b"IHAVEOPT");
    option.extend(EXPORT_NAME.to_be_bytes());
    option.extend(0_u32.to_be_bytes());
    stream.write_all(&option)?;
    let (mut size, mut flags) = ([0; 8], [0; 2]);
    stream.read_exact(&mut size)?;
    stream.read_exact(&mut flags)?;
    Ok(u64::from_be_bytes(size))
}

fn not_nbd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "qemu-nbd's answer is not NBD")
}

/// A `qemu-nbd` that serves one connection and ends with it.
struct Server {
    child: Option<Child>,
    command: String,
    image: String,
}

impl Server {
    fn start(disk: &Disk) -> Result<(Server, UnixStream)> {
        let doing = || Error::io("connecting to qemu-nbd");
        let folder = tempfile::tempdir().map_err(doing())?;
        let socket = folder.path().join("nbd");
        let listener = UnixListener::bind(&socket).map_err(doing())?;
        // The socket is handed over listening, as systemd does (sd_listen_fds(3)), so that the connection below cannot
        // come too early. The shell is there because LISTEN_PID is known only in the new process.
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null"#,
                "sh",
            ])
            .arg(process::find(process::QEMU_NBD)?)
            .args([
                "--cache=writeback",
                "--discard=unmap",
                "--detect-zeroes=unmap",
                "--format",
            ])
            .args([disk.format.name().as_ref(), disk.path.as_os_str()])
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let stream = UnixStream::connect(&socket).map_err(doing())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(doing())?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(doing())?;
        let child = command.spawn().map_err(Error::io("starting qemu-nbd"))?;
        // With the command goes our copy of the listening socket, so that a failing server ends the connection.
        drop(command);
        let (image, command) = (
            disk.path.display().to_string(),
            format!("qemu-nbd {}", disk.path.display()),
        );
        Ok((
            Server {
                child: Some(child),
                command,
                image,
            },
            stream,
        ))
    }

    /// Waits for the server's end, which comes with that of the connection; an error when it failed.
    fn wait(mut self) -> Result<()> {
        let Some(child) = self.child.take() else {
            return Ok(());
        };
        let output = child
            .wait_with_output()
            .map_err(Error::io("waiting for qemu-nbd"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(process::failure(std::mem::take(&mut self.command), output)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Only after a failure that has been reported; it may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

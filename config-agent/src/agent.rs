//! The agent's life: one loop that waits for events and brings network and reports up to date.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use genpack_card::Card;
use genpack_spec::layout::card::STATUS_TXT;
use genpack_spec::report::{BootReport, LocalName, Notice, RunReport, Severity};
use genpack_spec::settings::Settings;
use genpack_spec::status::{self, Moment};
use genpack_spec::text;
use genpack_spec::text::Text;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::appliance::{self, Adoption, Order, Snapshot};
use crate::args::Options;
use crate::last_good::{self, Keeper};
use crate::load::{self, Loaded};
use crate::mdns;
use crate::net::network::Network;
use crate::net::remembered::{self, Memory};
use crate::notify::{Notifier, watchdog_interval};
use crate::resolver::{PortDns, Stub};
use crate::schedule::Schedule;
use crate::services::{self, Event};
use crate::system::Outcome;
use crate::{Paths, console, files, log as journal, report, resolver, status_file, time};

/// `STATUS.txt` is written after this time even when the machine hasn't finished starting by then.
const START_LIMIT: Duration = Duration::from_secs(180);

/// Runs until SIGTERM. Addresses stay when the agent ends, so that a restart is not noticed on the network.
pub fn run(options: Options) -> Result<()> {
    journal::init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(live(options))
}

async fn live(options: Options) -> Result<()> {
    let paths = Paths::below(&options.root);
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let notifier = Notifier::from_env();
    let Loaded {
        settings,
        boot,
        notices,
    } = load::load(&paths);
    console::prepare(&paths);
    let mut network = Network::new(&paths, boot.hostname.short(), options.patience)?;
    network.pass(&settings).await;
    notifier.say("READY=1\nSTATUS=The network is set up.");

    let (sender, mut bus_events) = unbounded_channel();
    let (dns, known_dns) = watch::channel(Vec::new());
    let bus = services::run(
        paths.clone(),
        settings.services.clone(),
        known_dns,
        options.patience,
        sender,
    );
    tokio::spawn(bus);
    let mut reporter = Reporter::new(paths, settings, boot, notices, options.patience, dns);
    let mut names = mdns::Service::start();
    let mut appliance = appliance::start(&reporter.paths, reporter.snapshot(), options.patience);
    let mut watchdog = watchdog_interval().map(|every| {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    loop {
        names.update(mdns::wanted(
            &network.wishes(&reporter.settings),
            reporter.boot.hostname.short(),
            network.ports(),
        ));
        if reporter.update(&network, names.name()) {
            appliance.snapshots.send_replace(Arc::new(reporter.snapshot()));
        }
        let due = reporter.due();
        tokio::select! {
            () = network.event() => network.pass(&reporter.settings).await,
            Some(event) = bus_events.recv() => reporter.absorb(event),
            Some(order) = appliance.orders.recv() => {
                match order {
                    Order::Adopt(adoption, done) => {
                        reporter.adopt(*adoption);
                        network.pass(&reporter.settings).await;
                        appliance.snapshots.send_replace(Arc::new(reporter.snapshot()));
                        // Whoever gave the order may have ended.
                        let _ = done.send(());
                    }
                    Order::Followed(outcome) => reporter.followed(outcome),
                    Order::Tell(notices) => reporter.change_notices = notices,
                }
            }
            () = at(due) => reporter.write(Instant::now()),
            () = at(reporter.memory_due()) => reporter.write_memory(Instant::now()),
            outcome = finished(&mut reporter.writing) => reporter.wrote(outcome),
            () = reporter.keeper.event() => {}
            () = names.changed() => {}
            () = tick(&mut watchdog) => notifier.say("WATCHDOG=1"),
            _ = terminate.recv() => break,
        }
    }
    notifier.say("STOPPING=1");
    names.stop().await;
    // What is being written to the card is finished by the runtime's end.
    Ok(())
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

async fn tick(ticks: &mut Option<tokio::time::Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

async fn finished(task: &mut Option<JoinHandle<Result<()>>>) -> Result<()> {
    match task {
        Some(handle) => {
            let outcome = handle.await;
            *task = None;
            outcome.context("writing to the card").and_then(|written| written)
        }
        None => std::future::pending().await,
    }
}

/// What there is to tell, and where it has been told.
struct Reporter {
    paths: Paths,
    settings: Settings,
    boot: BootReport,
    /// What was found before the loop began.
    notices: Vec<Notice>,
    /// What there is to say about a change of the settings.
    change_notices: Vec<Notice>,
    /// Systemd can't be reached.
    bus_notice: Option<Notice>,
    run: RunReport,
    keeper: Keeper,
    memory: Memory,
    resolv_conf: String,
    /// What each port knows about names, for the resolver.
    dns: watch::Sender<Vec<PortDns>>,
    stub: Stub,
    resolver_problems: Vec<Text>,
    services_done: bool,
    begin: Instant,
    patience: Duration,
    schedule: Schedule,
    /// The text that is on the card, written or confirmed in this life.
    on_card: Option<Arc<str>>,
    /// The text that is being written, and the problems that it tells.
    pending: Option<(Arc<str>, usize)>,
    /// The card is being written: the addresses, the pending text, or else the last good settings. One at a time, because each
    /// write makes the card read-only again at its end.
    writing: Option<JoinHandle<Result<()>>>,
    published: bool,
}

impl Reporter {
    fn new(
        paths: Paths,
        settings: Settings,
        boot: BootReport,
        notices: Vec<Notice>,
        patience: Duration,
        dns: watch::Sender<Vec<PortDns>>,
    ) -> Reporter {
        Reporter {
            keeper: Keeper::new(&paths, &boot),
            memory: Memory::new(&paths),
            paths,
            settings,
            boot,
            notices,
            change_notices: Vec::new(),
            bus_notice: None,
            run: RunReport::default(),
            resolv_conf: String::new(),
            dns,
            stub: Stub::None,
            resolver_problems: Vec::new(),
            services_done: false,
            begin: Instant::now(),
            patience,
            schedule: Schedule::new(),
            on_card: None,
            pending: None,
            writing: None,
            published: false,
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            settings: self.settings.clone(),
            boot: self.boot.clone(),
            run: self.run.clone(),
        }
    }

    /// Takes over settings; their files are under `/run` already.
    fn adopt(&mut self, adoption: Adoption) {
        self.settings = adoption.settings;
        self.boot = adoption.boot;
        self.change_notices = adoption.notices;
        self.keeper = Keeper::new(&self.paths, &self.boot);
        self.published = false;
    }

    /// Takes over what came of a change of settings in the rest of the system.
    fn followed(&mut self, outcome: Outcome) {
        let notices = &mut self.boot.notices;
        notices.retain(|notice| !outcome.obsolete.contains(&notice.text));
        self.change_notices.extend(outcome.notices);
        self.run.services = outcome.services;
        self.published = false;
    }

    fn absorb(&mut self, event: Event) {
        // Some of it goes straight into what `update` compares with.
        self.published = false;
        match event {
            Event::Services(services) => {
                self.bus_notice = None;
                self.run.services = services;
                self.services_done = true;
            }
            Event::FailedUnits(units) => {
                self.bus_notice = None;
                self.run.failed_units = units;
            }
            Event::Resolver { stub, problems } => {
                self.stub = stub;
                self.resolver_problems = problems;
            }
            Event::Started => self.run.started = true,
            Event::Unavailable(reason) => {
                self.services_done = true;
                self.bus_notice = Some(Notice {
                    severity: Severity::Error,
                    text: text!(
                        "The device's service manager can't be reached ({reason}).",
                        reason
                    ),
                });
                self.run.services = services::unreachable_services(&self.settings.services);
            }
        }
    }

    /// Brings the reports under `/run` up to date, and finds out whether the card is. Returns whether there is news.
    fn update(&mut self, network: &Network, local_name: Option<LocalName>) -> bool {
        let wishes = network.wishes(&self.settings);
        let ports = network.ports().iter().map(|port| {
            report::link(
                &wishes,
                port,
                network.leases().get(&port.index),
                network.complaint(port.index),
                network.standing().get(&port.index),
                network.failures(port.index),
            )
        });
        let managed = network
            .managed_by_others()
            .map(|port| report::managed(&wishes, port));
        let has_wifi = !self.settings.wifi.is_empty();
        let radios = network.idle_radios().filter(|_| has_wifi);
        let radios = radios.map(|port| report::idle_radio(&wishes, port, network.failures(port.index)));
        let links = ports
            .chain(managed)
            .chain(radios)
            .chain(report::missing(&wishes))
            .collect();
        let no_radio = (has_wifi && !network.has_radio()).then(report::no_radio);
        let known = resolver::by_port(&wishes, network.ports(), &network.offered());
        let resolver = self.resolver_problems.iter().map(|text| Notice {
            severity: Severity::Error,
            text: text.clone(),
        });
        let run = RunReport {
            links,
            last_good: self.keeper.report(),
            local_name,
            dns: resolver::name_servers(&known),
            notices: self
                .notices
                .iter()
                .chain(&self.change_notices)
                .chain(&self.bus_notice)
                .cloned()
                .chain(resolver)
                .chain(no_radio)
                .collect(),
            ..self.run.clone()
        };
        self.write_resolv_conf(resolver::resolv_conf(&known, self.stub));
        self.dns.send_if_modified(|told| {
            let modified = *told != known;
            *told = known;
            modified
        });
        let news = run != self.run || !self.published;
        if news {
            self.run = run;
            self.published = true;
            self.publish();
        }
        self.memory.update(network.given_addresses(), Instant::now());
        self.keeper.update(&self.run, network.ports(), network.handle());
        if self.writing.is_none()
            && let Some(content) = self.keeper.due()
        {
            let card = Card::at(self.paths.card());
            self.writing = Some(tokio::task::spawn_blocking(move || {
                last_good::write(&card, &content)
            }));
        }
        if self.on_card.is_some() && self.writing.is_none() {
            let text = self.text();
            match &self.on_card {
                Some(old) if status::same_content(old, &text) => self.schedule.settled(),
                _ => self.schedule.changed(Instant::now()),
            }
        }
        news
    }

    fn write_resolv_conf(&mut self, text: String) {
        if text == self.resolv_conf {
            return;
        }
        match files::write_atomic(&self.paths.resolv_conf(), &text) {
            Ok(()) => self.resolv_conf = text,
            Err(error) => log::error!("The resolver's data can't be written: {error}"),
        }
    }

    fn publish(&self) {
        let written = serde_json::to_string_pretty(&self.run)
            .map_err(std::io::Error::from)
            .and_then(|text| files::write_atomic(&self.paths.run_report(), &text));
        if let Err(error) = written {
            log::error!("The report can't be written: {error}");
        }
        console::show_issue(&self.paths, &status::issue_text(&self.boot, Some(&self.run)));
    }

    /// Returns when the card is to be written next.
    fn due(&self) -> Option<Instant> {
        if self.writing.is_some() {
            return None;
        }
        if self.on_card.is_some() {
            return self.schedule.due();
        }
        // The first time waits for what is still to come, each within its limit.
        let network = (!report::is_online(&self.run)).then(|| self.begin + self.patience);
        let started = (!self.run.started && self.bus_notice.is_none()).then(|| self.begin + START_LIMIT);
        let services = (!self.services_done).then(|| self.begin + START_LIMIT);
        // What it finds out changes what there is to tell.
        let deciding = self.keeper.is_deciding().then(|| self.begin + START_LIMIT);
        let due = [network, started, services, deciding].into_iter().flatten().max();
        Some(due.unwrap_or_else(Instant::now))
    }

    /// Starts to write `STATUS.txt`: on a thread of its own, because a slow card takes seconds.
    fn write(&mut self, now: Instant) {
        let text: Arc<str> = self.text().into();
        self.pending = Some((text.clone(), status::problem_count(&self.boot, &self.run)));
        self.schedule.written(now);
        let card = Card::at(self.paths.card());
        self.writing = Some(tokio::task::spawn_blocking(move || {
            status_file::write_if_news(&card, &text)
        }));
    }

    /// Returns when the addresses are to be written to the card next.
    fn memory_due(&self) -> Option<Instant> {
        self.memory.due().filter(|_| self.writing.is_none())
    }

    fn write_memory(&mut self, now: Instant) {
        let card = Card::at(self.paths.card());
        let text = self.memory.begin(now);
        self.writing = Some(tokio::task::spawn_blocking(move || {
            remembered::write(&card, &text)
        }));
    }

    fn text(&self) -> String {
        let moment = Moment {
            time: time::now(self.boot.image.epoch, &self.boot.timezone),
            synchronised: time::is_synchronised(),
            card: files::room(&self.paths.card()),
            memory: files::room(&self.paths.overlay()),
        };
        status::status_txt(&self.boot, Some(&self.run), Some(&moment))
    }

    fn wrote(&mut self, outcome: Result<()>) {
        if self.memory.is_writing() {
            return self.memory.wrote(outcome);
        }
        let Some((text, problems)) = self.pending.take() else {
            return self.keeper.wrote(outcome);
        };
        // Kept even when the card refused: it is tried again when there is something new to say.
        self.on_card = Some(text);
        match outcome {
            Ok(()) => console::say_written(&self.paths, problems),
            Err(error) => log::warn!("{STATUS_TXT} can't be written to the card: {error:#}"),
        }
    }
}

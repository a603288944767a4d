set -e
cd /usr/src/monitor
rustc --edition=2021 -O -C strip=symbols -D warnings -o /usr/local/bin/serve serve.rs
rm serve.rs
rmdir /usr/src/monitor

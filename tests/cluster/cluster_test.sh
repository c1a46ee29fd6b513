#!/usr/bin/env bash
# Usage: cluster_test.sh ATTNBENCH
# docs/cluster.md, tried: an array job over cells in a Slurm of one node, srun, and ssh as launchers, their stores
# merged. Exits with 77 and says why where that cannot be tried here.
set -euo pipefail
program=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)

skip() { echo "skipped: $*"; exit 77; }
for needed in slurmctld slurmd munged srun sbatch sshd ssh ssh-keygen python3; do
  command -v "$needed" > /dev/null || [ -x "/usr/sbin/$needed" ] ||
    skip "$needed is not here (Debian: slurm-wlm, munge, openssh-server)"
done
export PATH=$PATH:/usr/sbin
[ "$(id -u)" = 0 ] || skip "needs root, to start Slurm and sshd"

folder=$(mktemp -d)
sshd_pid=""
end() {
  "$here/slurm.sh" stop "$folder"
  if [ -n "$sshd_pid" ]; then
    kill "$sshd_pid" 2> /dev/null || true
    wait "$sshd_pid" || true
  fi
  rm -rf "$folder"
}
trap end EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

"$here/slurm.sh" start "$folder"
export SLURM_CONF=$folder/slurm.conf
cpus=$(( $(nproc) < 2 ? 1 : 2 ))
small=(smoke --scope core --mechanism mha --dtype f32 --threads 1 --processes 2 --blocks 2 --accept-noise --quiet
       --ceilings "$folder/env.json")

# The ceilings are measured once: this tests the way, not the numbers.
"$program" env --json --threads 1 > "$folder/env.json"

echo "== array job over cells"
cat > "$folder/array.sh" <<EOF
#!/usr/bin/env bash
lengths=(64 128)
"$program" run ${small[*]} --seqlen "\${lengths[\$SLURM_ARRAY_TASK_ID]}" --out "$folder/\$SLURM_ARRAY_TASK_ID.db"
EOF
sbatch --wait --array=0-1 --ntasks=1 --cpus-per-task=$cpus --output="$folder/array-%a.log" "$folder/array.sh" ||
  { cat "$folder"/array-*.log; fail "the array job"; }
"$program" import "$folder/0.db" "$folder/1.db" --out "$folder/merged.db" | tee "$folder/import.txt"
[ "$(grep -c '^added: run of study smoke on ' "$folder/import.txt")" = 2 ] || fail "two runs on their machine"

echo "== launcher srun"
"$program" run "${small[@]}" --seqlen 64 --seed 2 --launcher "srun --quiet -n1 -c$cpus" --out "$folder/srun.db" \
  > /dev/null || fail "run --launcher srun"

echo "== launcher ssh"
ssh-keygen -q -t ed25519 -N '' -f "$folder/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
cp "$folder/key.pub" "$folder/authorized_keys"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p /run/sshd
cat > "$folder/sshd_config" <<EOF
Port $port
ListenAddress 127.0.0.1
HostKey $folder/host_key
AuthorizedKeysFile $folder/authorized_keys
PidFile none
StrictModes no
PermitRootLogin prohibit-password
UsePAM no
EOF
/usr/sbin/sshd -D -f "$folder/sshd_config" -E "$folder/sshd.log" &
sshd_pid=$!
ssh="ssh -i $folder/key -p $port -o StrictHostKeyChecking=no -o UserKnownHostsFile=$folder/known -o LogLevel=ERROR 127.0.0.1"
for _ in $(seq 50); do
  $ssh true 2> /dev/null && break
  sleep 0.2
done
"$program" run "${small[@]}" --seqlen 64 --seed 3 --launcher "$ssh" --out "$folder/ssh.db" > /dev/null ||
  { cat "$folder/sshd.log"; fail "run --launcher ssh"; }

echo "== merged"
"$program" import "$folder/srun.db" "$folder/ssh.db" --out "$folder/merged.db" > /dev/null
"$program" export "$folder/merged.db" --out "$folder/merged.csv" > /dev/null
python3 - "$folder" <<'EOF'
import json, subprocess, sys
runs = json.load(open(f"{sys.argv[1]}/merged.env.json"))["runs"]
assert len(runs) == 4, len(runs)
machines = {run["machine_key"] for run in runs}
assert len(machines) == 1, machines
print("4 runs, all of machine", machines.pop())
EOF

#!/usr/bin/env bash
# Usage: slurm.sh start|stop FOLDER
# A Slurm of this one machine, all of it in FOLDER: munge, controller, node and configuration, ports of its own.
# `start` returns when the node is idle; then SLURM_CONF=FOLDER/slurm.conf makes srun and sbatch use it. Needs root
# and Debian's slurm-wlm and munge.
set -euo pipefail
action=$1
folder=$(realpath "$2")

# Returns when they are gone: until then they write into the folder.
stop() {
  local pids=() pid
  for name in slurmd slurmctld munged; do
    if [ -s "$folder/$name.pid" ]; then pids+=("$(cat "$folder/$name.pid")"); fi
  done
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || continue 2
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
  done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'; }

start() {
  mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
  chmod 700 "$folder/munge"
  head -c 1024 /dev/urandom > "$folder/munge/key"
  chmod 600 "$folder/munge/key"
  # Its clients are other users' programs as a rule: the folders above a socket must let them in, or --force.
  munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
  cat > "$folder/slurm.conf" <<EOF
ClusterName=one
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
  export SLURM_CONF="$folder/slurm.conf"
  slurmctld -f "$SLURM_CONF"
  slurmd -f "$SLURM_CONF"
  for _ in $(seq 60); do
    [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && return
    sleep 1
  done
  echo "slurm: the node does not become idle:" >&2
  tail -n 20 "$folder"/slurm*.log "$folder/munge/log" >&2
  stop
  exit 1
}

"$action"

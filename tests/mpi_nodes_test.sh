#!/usr/bin/env bash
# mpi_nodes_test.sh FLATENN MODEL.onnx DATA: a campaign of Open MPI's ranks on two nodes, which are
# network namespaces with names and addresses of their own, joined by TCP alone; a node that is lost
# in the middle, and a disk that is full, each gone on with by the same command. The tables are one
# process's.
# Skips (exit 77) where there is no Open MPI, no MPI in this build, no MNIST, no right to make nodes.
set -euo pipefail

# shellcheck source=tests/campaign_ranks.sh
source "$(dirname "$0")/campaign_ranks.sh"
flatenn=$(realpath "$1")
model=$(realpath "$2")
export FLATENN_DATA=$3
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
skip() { echo "skipped: $*" && exit 77; }
mpirun --version 2>/dev/null | grep -q 'Open MPI' || skip "Open MPI's mpirun is not installed"
[[ -e $(dirname "$flatenn")/libflatenn_mpi.so ]] || skip "this build has no MPI"
[[ -d $FLATENN_DATA/mnist ]] || skip "MNIST is not in $FLATENN_DATA"
command -v ip >/dev/null || skip "ip (Debian: iproute2) is not installed"

work=$(mktemp -d)
id=f$((BASHPID % 100000)) # names of interfaces have at most 15 letters
net=10.$((RANDOM % 100 + 100)).$((RANDOM % 250)).
clean() {
  for node in 1 2; do ip netns del "$id-$node" 2>/dev/null || true; done
  ip link del "$id" 2>/dev/null || true
  umount "$work/small" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
cd "$work"
ip link add "$id" type bridge 2>/dev/null || skip "no right to make network nodes here"
ip addr add "${net}254/24" dev "$id"
ip link set "$id" up
for node in 1 2; do
  ip netns add "$id-$node" 2>/dev/null || skip "no right to make network nodes here"
  ip link add "$id$node" type veth peer name eth0 netns "$id-$node"
  ip link set "$id$node" master "$id" up
  ip netns exec "$id-$node" ip addr add "$net$node/24" dev eth0
  ip netns exec "$id-$node" ip link set eth0 up
  ip netns exec "$id-$node" ip link set lo up
done

# In place of ssh: a command on the node with this address, under a host name of its own.
cat >agent <<END
#!/usr/bin/env bash
while [[ \$1 == -* ]]; do shift; done
node=\${1##*.}
shift
exec ip netns exec "$id-\$node" unshare --uts bash -c "hostname node\$node; \$*"
END
chmod +x agent

write_plan nodes "$model"
nodes() { # nodes DATABASE
  timeout 120 mpirun -x FLATENN_DATA --mca plm_rsh_agent "$work/agent" --mca btl tcp,self \
    --mca oob_tcp_if_include "${net}0/24" --mca btl_tcp_if_include "${net}0/24" \
    --host "${net}1:1,${net}2:1" -n 2 "$flatenn" -q campaign --threads 1 plan.toml --db "$1"
}

run_whole
nodes two.db >/dev/null
same two

# The second node goes down at some moment; what is stored stays, and the run ends.
for wait in 0.9 1.3; do
  nodes lost.db >/dev/null 2>lost.log &
  launcher=$!
  sleep "$wait"
  ip netns pids "$id-2" | xargs -r kill -KILL 2>/dev/null || true
  wait "$launcher" || true
done
nodes lost.db >/dev/null
same lost

# The disk is full before the table is: one line, and with more room the same command goes on.
mkdir small
mount -t tmpfs -o size=160k tmpfs small
if nodes small/full.db >/dev/null 2>full.log; then echo "the disk was not full" && exit 1; fi
grep -q 'full' full.log || { cat full.log && exit 1; }
mount -o remount,size=50m small
nodes small/full.db >/dev/null
cp small/full.db full.db
same full

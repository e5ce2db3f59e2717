#include "cli/examples.h"

namespace flatenn::cli {
namespace {

struct Example {
  const char* command;
  const char* text;
};

/// By the words after "flatenn".
constexpr Example kExamples[] = {
    {"data", "  flatenn data get fashion-mnist\n  flatenn data list"},
    {"data list", "  flatenn data list"},
    {"data get", "  flatenn data get fashion-mnist"},
    {"data verify", "  flatenn data verify mnist"},
    {"data check", "  flatenn data check flowers/"},
    {"data show", "  flatenn data show fashion-mnist -o sheet.png"},
    {"train",
     "  flatenn train configs/lenet5-fashion-mnist.toml --out runs/sgd\n"
     "  flatenn train configs/lenet5-fashion-mnist.toml --out runs/saq --set optimizer.kind=saq "
     "--set train.epochs=10"},
    {"harden",
     "  flatenn harden network.onnx --data cifar10 --out hardened\n"
     "  flatenn harden network.onnx settings.toml --data photos/ --out hardened --scales fresh "
     "--trials 100\n"
     "  flatenn harden float.onnx --calibrate --data mnist --out hardened"},
    {"import", "  flatenn import network.onnx --output imported.onnx"},
    {"inspect", "  flatenn inspect runs/sgd/model.onnx"},
    {"eval", "  flatenn eval runs/sgd/model.onnx"},
    {"export",
     "  flatenn export m.onnx -o qdq.onnx\n"
     "  flatenn export m.onnx -o finn.onnx --form qonnx"},
    {"weights", "  flatenn weights runs/sgd -o weights.safetensors"},
    {"faults",
     "  flatenn faults draw m.onnx --rate 0.001 --out map.json\n"
     "  flatenn faults apply m.onnx --map map.json --out faulty.onnx"},
    {"faults draw", "  flatenn faults draw m.onnx --rate 0.001 --seed 7 --out map.json"},
    {"faults apply",
     "  flatenn faults apply m.onnx --map map.json --out faulty.onnx\n"
     "  flatenn faults apply m.onnx --rate 0.01 --seed 7 --out faulty.onnx"},
    {"faults show", "  flatenn faults show m.onnx --map map.json"},
    {"faults array", "  flatenn faults array m.onnx --cell 0,0,0"},
    {"campaign",
     "  flatenn campaign --db results.db --model m.onnx --rates 0.001,0.01\n"
     "  flatenn campaign --db results.db --name tolerable --model m.onnx --find-tolerable 0.01\n"
     "  flatenn campaign plan.toml --db results.db --half-width 0.005\n"
     "  flatenn campaign --db results.db --name rare --model m.onnx --rates 1e-7,1e-6 --estimator "
     "stratified --trials 500\n"
     "A second campaign into one file takes a --name of its own."},
    {"campaign plan",
     "  flatenn campaign plan --model m.onnx --rates 0.01 --half-width 0.005 --db results.db"},
    {"merge",
     "  flatenn campaign plan.toml --db part-3.db --share 3/16   # on any machine, for 1/16 to "
     "16/16\n"
     "  flatenn merge part-*.db -o results.db"},
    {"status", "  flatenn status results.db\n  flatenn status part-*.db"},
    {"slurm",
     "  flatenn slurm plan.toml --nodes 8 --gpus 4 > campaign.sbatch\n"
     "  flatenn slurm plan.toml --nodes 8 --cpus 32 --time 4:00:00 --submit"},
    {"results",
     "  flatenn results results.db\n"
     "  flatenn results results.db --format latex > table.tex\n"
     "  flatenn results results.db --format csv --plan campaign"},
    {"watch",
     "  flatenn watch results.db\n"
     "  flatenn watch results.db --html live.html"},
    {"compare",
     "  flatenn compare before.db after.db --tolerate 0.5 || echo \"accuracy was lost\""},
    {"report", "  flatenn report results.db runs/sgd --out report.html"},
    {"plot",
     "  flatenn plot results.db --list\n"
     "  flatenn plot results.db --figure hero --out figure.pdf --columns one"},
    {"study", "  flatenn study lenet5 --out study --seeds 5"},
    {"cost", "  flatenn cost m.onnx --data mnist --hardware zero_skipping"},
    {"sensitivity",
     "  flatenn sensitivity runs/sgd --rate 0.05\n"
     "  flatenn sensitivity runs/sgd --harden 0.02 --plan hardened.toml --code-plan secded.toml"},
    {"sharpness", "  flatenn sharpness runs/sgd --images 2000"},
    {"landscape",
     "  flatenn landscape runs/sgd --plane --images 1000 --out why\n"
     "  flatenn landscape runs/sgd --towards runs/saq --out path"},
    {"bench", "  flatenn bench --model lenet5"},
    {"doctor", "  flatenn doctor"},
    {"completion",
     "  source <(flatenn completion bash)\n"
     "  flatenn completion zsh > ~/.zfunc/_flatenn\n"
     "  flatenn completion fish > ~/.config/fish/completions/flatenn.fish"},
    {"version", "  flatenn version"},
    {"man", "  flatenn man ~/.local/share/man/man1 && man flatenn-campaign"},
};

constexpr const char* kExitCodes =
    "Exit codes: 0 done; 1 the input or the machine is at fault; 2 wrong usage; 3 compare found a "
    "regression,\nor merge that something is still to run; 70 a fault of flatenn's own; 130 or 143 "
    "stopped by a\nsignal, finished work is kept.\nflatenn help COMMAND tells of one command.";

void add_to(CLI::App& command, const std::string& words) {
  for (const Example& example : kExamples) {
    if (words != example.command) continue;
    const std::string own = command.get_footer();
    command.footer((own.empty() ? "" : own + "\n\n") + "Examples:\n" + example.text);
  }
  for (CLI::App* sub : command.get_subcommands({})) {
    add_to(*sub, words.empty() ? sub->get_name() : words + " " + sub->get_name());
  }
}

}  // namespace

void add_examples(CLI::App& app) {
  app.footer(kExitCodes);
  add_to(app, "");
}

}  // namespace flatenn::cli

"""test_cuda - back end cuda without a device: one clear line; and on a driver that is none (tests/fake), whose memory the
host cannot read and whose kernels are the printed CUDA C run by this processor, the digests of the CPU."""
import os
import shutil
import subprocess

import pytest

PLUMB = os.environ.get("PLUMB", "build/plumb")
ROOT = os.path.join(os.path.dirname(__file__), "..", "..")


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    """The environment in which libcuda.so.1 and libnvrtc.so.13 are ours."""
    if not shutil.which("clang-14"):
        pytest.skip("clang-14 is absent: CUDA C cannot run on the CPU")
    folder = tmp_path_factory.mktemp("fake")
    for source, library in (("libcuda", "libcuda.so.1"), ("libnvrtc", "libnvrtc.so.13")):
        subprocess.run(["gcc", "-O1", "-w", "-D_GNU_SOURCE", "-shared", "-fPIC", "-pthread", "-o", folder / library,
                        os.path.join(ROOT, "tests", "fake", source + ".c"), "-ldl"], check=True)
    return dict(os.environ, LD_LIBRARY_PATH=str(folder), PLUMB_CACHE=str(folder / "cache"),
                FAKE_CUDA_LOG=str(folder / "log"))


def run(args, env=None):
    return subprocess.run([PLUMB, *map(str, args)], env=env, capture_output=True, text=True, timeout=120)


def run_unit(name, env, *args):
    program = os.path.join(os.path.dirname(PLUMB), "tests", name)
    if not os.path.exists(program):
        pytest.skip("the unit tests are not built")
    return subprocess.run([program, *args], env=env, capture_output=True, text=True, timeout=120)


def same(a, b):
    out = run(["diff", a, b]).stdout
    assert "in every bit" in out.split("\n")[0], out
    return out


def test_without_a_driver():
    env = dict(os.environ, LD_LIBRARY_PATH="")
    out = run(["run", "mlp", "-n", 1, "--device", "cuda", "-o", "/dev/null"], env)
    if out.returncode == 0:
        pytest.skip("this machine has a driver of NVIDIA")
    assert out.returncode and out.stderr.count("\n") == 1 and "cuda: libcuda.so.1 is not there" in out.stderr, out


def test_eager_has_the_digests_of_the_cpu(fake, tmp_path):
    cpu, cuda = tmp_path / "cpu.db", tmp_path / "cuda.db"
    assert run(["run", "mlp", "-n", 1, "-o", cpu]).returncode == 0
    out = run(["run", "mlp", "-n", 1, "--backend", "cuda", "-o", cuda], fake)
    assert out.returncode == 0, out.stderr
    same(cpu, cuda)


def test_compiled_has_the_digests_of_the_cpu(fake, tmp_path):
    cpu, cuda = tmp_path / "cpu.db", tmp_path / "cuda.db"
    assert run(["run", "mlp", "-n", 2, "--compile", "-o", cpu]).returncode == 0
    out = run(["run", "mlp", "-n", 2, "--compile", "--device", "cuda", "-o", cuda], fake)
    assert out.returncode == 0, out.stderr
    same(cpu, cuda)
    with open(fake["FAKE_CUDA_LOG"], encoding="utf-8") as log:
        launched = log.read()
    assert "pl_combo_fused_" in launched and "pl_per_fused_" in launched
    out = run(["sql", cuda, "SELECT count(*) FROM kernel WHERE registers = 8 AND spill_bytes = 0"]).stdout
    assert int(out.split()[-1]) > 4, out


def test_kernels_alone(fake):
    """What `make test-cuda` runs on a device."""
    out = run_unit("test_gpu_suite", fake, "test_device")
    assert out.returncode == 0 and "gave the interpreter's bits" in out.stdout, out.stdout + out.stderr


def test_driver_and_programs(fake, tmp_path):
    """Device numbers, forks, sizes 0 and 1, local memory, threads; and that all is given back: but for the numbers of the
    first thread's launches, and the kernels of operators run alone, which the next session finds."""
    env = dict(fake, FAKE_CUDA_LOG=str(tmp_path / "log"))
    out = run_unit("test_cuda", env)
    assert out.returncode == 0 and "FAILED" not in out.stdout and "not run" not in out.stdout, out.stdout + out.stderr
    last = (tmp_path / "log").read_text(encoding="utf-8").split("\n")[-2]
    assert last.startswith("blocks left: 1, "), last


def test_modules_are_unloaded(fake, tmp_path):
    """Those of four compiles; that of an operator that runs alone stays."""
    env = dict(fake, FAKE_CUDA_LOG=str(tmp_path / "log"))
    out = run(["run", "mlp", "-n", 1, "--device", "cuda", "--compile", "-o", tmp_path / "x.db"], env)
    assert out.returncode == 0, out.stderr
    last = (tmp_path / "log").read_text(encoding="utf-8").split("\n")[-2]
    assert last == "blocks left: 1, modules left: 1", last


def test_what_needs_the_host(fake, tmp_path):
    for option in (["--keep", "aten::mm:0"], ["--inject", "aten::mm:1:0"], ["--hash", "norm"]):
        out = run(["run", "mlp", "-n", 1, "--device", "cuda", "-o", tmp_path / "x.db", *option], fake)
        assert out.returncode > 0 and "back end cuda: values cannot be kept" in out.stderr, out


def test_a_driver_that_fails(fake, tmp_path):
    for entry, says in (("cuMemAlloc_v2", "memory of the device"), ("cuLaunchKernel", "pl_"),
                        ("cuModuleLoadData", "loading kernels"), ("cuInit", "starting the driver")):
        env = dict(fake, FAKE_CUDA_ERROR=entry)
        out = run(["run", "mlp", "-n", 1, "--device", "cuda", "-o", tmp_path / "x.db", "--overwrite"], env)
        assert out.returncode > 0, entry
        assert "CUDA_ERROR_UNKNOWN (999)" in out.stderr and says in out.stderr, (entry, out.stderr)

"""What the C file of a model takes on a board: flash, RAM, multiplications per second of sound; and a run on one.

    python tools/footprint.py MODEL [--lexicon FILE] [--max-ms 2000] [--sound FILE.wav]

Compiled by arm-none-eabi-gcc -Os for Cortex-M4 and M7, for utterances of up to `--max-ms`. With a sound, it is also
recognised on the Cortex-M4 and Cortex-M7 of qemu-system-arm, which must give what Python gives. Prints rows of a
Markdown table.
"""

import argparse
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.decode.decoder import DecoderConfig
from asr.modelfile.locate import model_file
from asr.recognition import source
from asr.recognition.recognizer import Recognizer
from asr.twins import header
from asr.twins.twin import Bits, Twin

COMPILER = "arm-none-eabi-gcc"
CORES = {
    "Cortex-M4": ["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"],
    "Cortex-M7": ["-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16"],
}
MACHINES = {"Cortex-M4": "mps2-an386", "Cortex-M7": "mps2-an500"}
_SIZE_ONLY = """
#include "model.h"
asr_recognizer recognizer;
const char *recognise(const int16_t *samples, size_t count);
const char *recognise(const int16_t *samples, size_t count) {
  asr_start(&recognizer, 0);
  asr_feed(&recognizer, samples, count);
  return asr_result(&recognizer);
}
"""
_RUN = """
#include <stdio.h>
#include "model.h"
#include "sound.h"
static asr_recognizer recognizer;
extern int main(void);
extern void initialise_monitor_handles(void);
extern uint32_t __bss_start__, __bss_end__;
void start(void);
void start(void) {
  *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the floating-point unit */
  for (uint32_t *at = &__bss_start__; at < &__bss_end__; at++) *at = 0;
  initialise_monitor_handles();
  main();
  register int code __asm__("r0") = 0x18, why __asm__("r1") = 0x20026; /* the end, of its own accord */
  for (;;) __asm__("bkpt 0xab" :: "r"(code), "r"(why));
}
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[] = {0x20400000, (uintptr_t)start};
int main(void) {
  asr_start(&recognizer, 0);
  asr_feed(&recognizer, sound, sizeof sound / sizeof *sound);
  puts(asr_result(&recognizer));
  fflush(stdout);
  return 0;
}
"""
_LAYOUT = """
MEMORY { code (rx) : ORIGIN = 0, LENGTH = 4M  data (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
ENTRY(start)
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.init*) *(.fini*) } > code
  .ARM.exidx : { *(.ARM.exidx*) } > code
  .data : { *(.data*) } > data
  .bss : { __bss_start__ = .; *(.bss*) *(COMMON) . = ALIGN(8); __bss_end__ = .; end = .; } > data
}
"""


def size(twin: Twin, core: str, max_ms: int, folder: Path, flags: Sequence[str] = ()) -> tuple[int, int]:
    """Bytes of flash and of RAM: code, constants and what it uses of libm; what is static, without the stack."""
    header.write(twin, folder / "model.h")
    (folder / "size.c").write_text(_SIZE_ONLY, "utf-8")
    command = [COMPILER, *_flags(core, max_ms), *flags, "-c", "size.c", "-o", "size.o"]
    subprocess.run(command, cwd=folder, check=True)
    entry = ["-nostartfiles", "--specs=nosys.specs", "-Wl,-e,recognise", "-Wl,-u,recognise"]
    link = [COMPILER, *_flags(core, max_ms), *entry]
    subprocess.run([*link, "-Wl,--gc-sections", "size.o", "-o", "size.elf", "-lm"], cwd=folder, check=True)
    listed = subprocess.run(["arm-none-eabi-size", "size.elf"], cwd=folder, capture_output=True, text=True, check=True)
    text, data, bss = map(int, re.findall(r"\d+", listed.stdout.splitlines()[1])[:3])
    return text + data, data + bss


def _flags(core: str, max_ms: int) -> list[str]:
    common = ["-std=c99", "-Os", "-mthumb", "-mfloat-abi=hard", "-ffunction-sections", "-fdata-sections"]
    return [*common, "-DASR_LIVE=0", *CORES[core], f"-DASR_MAX_MS={max_ms}"]


def run(twin: Twin, core: str, waveform: npt.NDArray[np.int16], folder: Path) -> str:
    """What a board of QEMU recognises in a sound."""
    header.write(twin, folder / "model.h")
    samples = ",".join(map(str, waveform.tolist()))
    (folder / "sound.h").write_text(f"static const int16_t sound[] = {{{samples}}};\n", "utf-8")
    (folder / "run.c").write_text(_RUN, "utf-8")
    (folder / "layout.ld").write_text(_LAYOUT, "utf-8")
    max_ms = 1000 * len(waveform) // twin.card.features.sample_rate + 100
    command = [COMPILER, *_flags(core, max_ms), "-O2", "-std=gnu99", "run.c", "-T", "layout.ld", "-nostartfiles"]
    subprocess.run([*command, "--specs=rdimon.specs", "-o", "run.elf", "-lm"], cwd=folder, check=True)
    machine = ["qemu-system-arm", "-M", MACHINES[core], "-nographic", "-monitor", "none", "-serial", "none"]
    machine += ["-semihosting-config", "enable=on,target=native", "-kernel", "run.elf"]
    done = subprocess.run(machine, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    return done.stdout.strip()


def multiplications(twin: Twin) -> int:
    """For a second of sound: of the network, for every warp, and of the front end."""
    config, frames = twin.card.features, 1000 / twin.card.features.hop_ms
    network = twin.network.num_weights * twin.numbers["num_warps"] / config.stack
    fft = 2 * config.fft_size * np.log2(config.fft_size)  # four multiplications for each of N / 2 log2 N butterflies
    front_end = fft + 2 * config.fft_size + config.num_filters * (config.num_cepstra + 2 * config.num_cepstra)
    return round(frames * float(network + front_end))


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--lexicon", type=Path)
    parser.add_argument("--max-ms", type=int, default=2000)
    parser.add_argument("--sound", metavar="FILE.wav")
    arguments = parser.parse_args()
    model, decoding = model_file(Path(arguments.model)), DecoderConfig(lexicon=arguments.lexicon)
    kind = "a lexicon" if arguments.lexicon else "best path"
    all_bits: tuple[Bits, Bits] = (32, 8)
    for bits in all_bits:
        twin = Twin.read(model, bits, decoding)
        for core in CORES:
            with tempfile.TemporaryDirectory() as folder:
                flash, ram = size(twin, core, arguments.max_ms, Path(folder))
                row = f"| {model.stem}, {kind} | {core} | {bits} | {flash / 1024:.0f} | {ram / 1024:.0f} | "
                print(f"{row}{multiplications(twin) / 1e6:.1f} million |", flush=True)
                if arguments.sound:
                    opened = source.open(arguments.sound, twin.card.features, None)
                    waveform = np.concatenate(list(opened.blocks()))
                    if waveform.dtype != np.int16:
                        waveform = np.round(waveform * 32767).astype(np.int16)
                    found = run(twin, core, waveform, Path(folder))
                    rate = twin.card.features.sample_rate
                    expected = Recognizer.load(model, decoding=decoding).transcribe(waveform, rate).text
                    print(f"  on the {core} of QEMU: {found!r}; Python: {expected!r}", flush=True)


if __name__ == "__main__":
    main()

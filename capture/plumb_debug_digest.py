# plumb_debug_digest.py - PKM64 (kernels/digest.h) and statistics of a tensor, by PyTorch's own operators on its device.
#
# PyTorch's int64 wraps as uint64 does; its >> is arithmetic and is made logical by a mask.
import struct

M64 = (1 << 64) - 1
PHI, MIX1, MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
# Codes of dtypes that enter the digest (store/base/dtype.h).
CODES = {"float64": 1, "float32": 2, "float16": 3, "bfloat16": 4, "float8_e4m3fn": 5, "float8_e5m2": 6, "complex64": 7,
         "complex128": 8, "int8": 9, "int16": 10, "int32": 11, "int64": 12, "uint8": 13, "uint16": 14, "uint32": 15,
         "uint64": 16, "bool": 17}
PIECE = 1 << 22  # elements whose statistics are taken at a time
CHUNK = 1 << 18  # words mixed at a time: 2 MiB stay in the cache


def signed(x):
    return x - (1 << 64) if x >> 63 else x


def mix64(z):
    z = ((z ^ (z >> 30)) * MIX1) & M64
    z = ((z ^ (z >> 27)) * MIX2) & M64
    return z ^ (z >> 31)


def finish(total, code, n_bytes, shape):
    """The last step of PKM64: dtype, length and shape enter."""
    h = total & M64
    for x in (code, n_bytes, len(shape), *shape):
        h = mix64(((h + PHI) & M64) ^ x)
    return h


class Digester:
    """PKM64 of tensors by PyTorch's integer operators, on the tensor's device."""

    def __init__(self, torch):
        self.torch = torch
        self.codes = {getattr(torch, name): code for name, code in CODES.items() if hasattr(torch, name)}
        self.keys = {}

    def key(self, device, n):
        """(i + 1) * PHI for i below n."""
        have = self.keys.get(device)
        if have is None or have.numel() < n:
            size = min(CHUNK, max(1024, 1 << (n - 1).bit_length()))
            have = self.torch.arange(1, size + 1, dtype=self.torch.int64, device=device).mul_(signed(PHI))
            self.keys[device] = have
        return have[:n]

    def mixed(self, words, first):
        """Sum of mix64(word ^ key) as a tensor; int64 wraps as uint64 does, >> is made logical by a mask."""
        z = words ^ (self.key(words.device, words.numel()) + signed(first * PHI & M64) if first
                     else self.key(words.device, words.numel()))
        for shift, by in ((30, MIX1), (27, MIX2), (31, None)):
            z ^= (z >> shift).bitwise_and_((1 << (64 - shift)) - 1)
            if by:
                z *= signed(by)
        return z.sum()

    def words(self, t, size):
        """The packed elements as 8-byte words, the last padded by 0."""
        torch, n = self.torch, t.numel() * size
        if n % 8 == 0 and t.storage_offset() * size % 8 == 0 and t.data_ptr() % 8 == 0:
            return t.view(torch.int64)
        padded = torch.zeros((n + 7) // 8 * 8, dtype=torch.uint8, device=t.device)
        padded[:n] = t.view(torch.uint8)
        return padded.view(torch.int64)

    def flat(self, t):
        if t.layout is not self.torch.strided or t.is_quantized:
            raise ValueError("it is %s" % ("quantized" if t.is_quantized else t.layout))
        if t.requires_grad:
            t = t.detach()
        if t.is_conj() or t.is_neg():
            t = t.resolve_conj().resolve_neg()
        if t.dtype not in self.codes:
            raise ValueError("no code of its dtype enters a digest")
        flat = t.reshape(-1) if t.is_contiguous() else t.contiguous().reshape(-1)
        # A single element counts as contiguous with any stride; views as bytes want 1.
        return flat if flat.numel() != 1 else flat.as_strided((1,), (1,))

    def sum(self, flat):
        total, size = None, flat.element_size()
        if not flat.numel():
            return 0
        step = CHUNK * 8 // size
        for at in range(0, flat.numel(), step):
            part = self.mixed(self.words(flat[at:at + step], size), at * size // 8)
            total = part if total is None else total + part
        return total

    def digest(self, t):
        flat = self.flat(t)
        total = self.sum(flat)
        return self.finished(t, total if isinstance(total, int) else total.item())

    def finished(self, t, total):
        return finish(total, self.codes[t.dtype], t.numel() * t.element_size(), t.shape)

    def pieces(self, flat):
        """The real numbers of floating elements, piece by piece as doubles; nothing where there are none."""
        if flat.dtype.is_complex:
            flat = self.torch.view_as_real(flat).reshape(-1)
        if flat.dtype.is_floating_point:
            for at in range(0, flat.numel(), PIECE):
                yield flat[at:at + PIECE].to(self.torch.float64)

    def of_finite(self, x):
        """Least, greatest, sum, sum of magnitudes and of squares: one tensor."""
        low, high = self.torch.aminmax(x)
        return self.torch.stack((low, high, x.sum(), x.abs().sum(), x.dot(x)))

    def of_others(self, x):
        """The same of the finite ones, behind the numbers of NaNs and infinities."""
        nan, inf = self.torch.isnan(x), self.torch.isinf(x)
        x = x[~(nan | inf)]
        rest = self.of_finite(x).tolist() if x.numel() else [None, None, 0.0, 0.0, 0.0]
        return [int(nan.sum()), int(inf.sum()), *(v if v is not None and v - v == 0 else None for v in rest)]

    def measure(self, t):
        """(digest, statistics as a list or None), read from the device at once."""
        torch, flat = self.torch, self.flat(t)
        parts = [self.of_finite(x).view(torch.int64) for x in self.pieces(flat)]
        total = self.sum(flat)
        if not parts:
            return self.finished(t, total if isinstance(total, int) else total.item()), None
        total, *bits = torch.cat((total.reshape(1), *parts)).tolist()
        values = struct.unpack("%dd" % len(bits), struct.pack("%dq" % len(bits), *bits))
        rows = [[0, 0, *values[i:i + 5]] for i in range(0, len(values), 5)]
        for row, x in zip(rows, self.pieces(flat)) if values and not all(v - v == 0 for v in values) else ():
            if row[5] - row[5] != 0:  # a NaN or an infinity makes the sum of magnitudes one
                row[:] = self.of_others(x)
        return self.finished(t, total), self.joined(rows)

    def joined(self, rows):
        nans, infs, low, high, *sums = zip(*rows)
        low, high = [v for v in low if v is not None], [v for v in high if v is not None]
        sums = [sum(v) if None not in v else None for v in sums]
        return [sum(nans), sum(infs), min(low, default=None), max(high, default=None),
                *(v if v is not None and v - v == 0 else None for v in sums)]

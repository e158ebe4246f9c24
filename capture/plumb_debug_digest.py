# plumb_debug_digest.py - PKM64 (kernels/digest.h) and statistics of a tensor, by PyTorch's own operators on its device.
#
# PyTorch's int64 wraps as uint64 does; its >> is arithmetic and is made logical by a mask.
M64 = (1 << 64) - 1
PHI, MIX1, MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
# Codes of dtypes that enter the digest (store/base/dtype.h).
CODES = {"float64": 1, "float32": 2, "float16": 3, "bfloat16": 4, "float8_e4m3fn": 5, "float8_e5m2": 6, "complex64": 7,
         "complex128": 8, "int8": 9, "int16": 10, "int32": 11, "int64": 12, "uint8": 13, "uint16": 14, "uint32": 15,
         "uint64": 16, "bool": 17}
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
        return t.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)

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

    def statistics(self, flat):
        """NaNs, infinities; least, greatest, sum, sum of magnitudes and of squares of the finite numbers, as one tensor of
        doubles. None for what has no such numbers."""
        torch = self.torch
        if flat.dtype.is_complex:
            flat = torch.view_as_real(flat).reshape(-1)
        if not flat.dtype.is_floating_point or not flat.numel():
            return None
        x = flat.to(torch.float64)
        nan, inf = torch.isnan(x), torch.isinf(x)
        bad = nan | inf
        low, high = x.masked_fill(bad, float("inf")).amin(), x.masked_fill(bad, float("-inf")).amax()
        x = x.masked_fill(bad, 0.0)
        return torch.stack((nan.sum(dtype=torch.float64), inf.sum(dtype=torch.float64), low, high, x.sum(), x.abs().sum(),
                            (x * x).sum()))

    def measure(self, t):
        """(digest, statistics as a list or None), read from the device at once."""
        torch, flat = self.torch, self.flat(t)
        total, statistics = self.sum(flat), self.statistics(flat)
        if statistics is None:
            return self.finished(t, total if isinstance(total, int) else total.item()), None
        both = torch.cat((total.reshape(1), statistics.view(torch.int64))).cpu()
        numbers = both[1:].view(torch.float64).tolist()
        return self.finished(t, both[0].item()), [int(numbers[0]), int(numbers[1]), *(
            x if x - x == 0 else None for x in numbers[2:])]

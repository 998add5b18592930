"""An archive that others publish: downloaded once, and verified before it is used.

Taught in the chapter *Experiments on standard ConvNets*.
"""

from dataclasses import dataclass
from pathlib import Path
from ssl import SSLCertVerificationError

import pooch
from requests.exceptions import InvalidURL, ProxyError, RequestException, SSLError, Timeout

from convac_lib.errors import DataError
from convac_lib.files import telling

AGAIN = "delete it, and run convac data fetch cifar10"
ELSEWHERE = "set CONVAC_DATA to"  # how the user chooses another cache
_RETRIES = 3
_PATIENCE = 30  # seconds without a byte
_AGAIN_OR, _CONNECT = "run it again, or ", "connect this machine to the internet, or "
_SIGNS = {  # what the errors of a lost connection say, and the diagnosis
    "timed out": "nothing came for {patience} s; run it again later, or ",
    "NameResolutionError": f"its name cannot be resolved; {_CONNECT}",
    "unreachable": f"the network is unreachable; {_CONNECT}",
    "Connection refused": "the connection is refused; let it through your network's firewall, or ",
}


@dataclass(frozen=True)
class Archive:
    """A published file, identified by its size and its hash.

    Args:
        url: the address at which it is published; the last part is its name.
        size: in bytes.
        md5: the published hash, in hexadecimal.

    Chapter: *Experiments on standard ConvNets*.

    >>> Archive("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 10, "ab").name
    'cifar-10-binary.tar.gz'
    """

    url: str
    size: int
    md5: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        return f"{self.name} ({self.size:,} bytes, MD5 {self.md5})"


def fetch(archive: Archive, cache: Path, *, progress: bool) -> Path:
    """Download an archive into a cache unless it is there already, and verify it.

    Args:
        archive: the archive.
        cache: the folder.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The path of the archive.

    Raises:
        DataError: if it cannot be fetched, or the file that is there is another.
        OSError: if it cannot be written.

    Chapter: *Experiments on standard ConvNets*.
    """
    path = cache / archive.name
    if path.exists():
        verify(path, archive)
        return path
    pooch.get_logger().setLevel("INFO" if progress else "WARNING")
    source = pooch.create(  # verifies the file before it renames it
        cache,
        base_url="",
        registry={archive.name: f"md5:{archive.md5}"},
        urls={archive.name: archive.url},
        retry_if_failed=_RETRIES,
    )
    downloader = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16, timeout=_PATIENCE)
    try:
        source.fetch(archive.name, downloader=downloader)
    except (RequestException, ValueError) as error:
        raise DataError(
            f"cannot fetch {archive.url}: {_diagnosis(error)}get {archive} elsewhere and put it at {path}"
        ) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(  # requests reports a missing file of certificates without an error number
            f"cannot fetch {archive.url}: {error}; mend or unset REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
        ) from None
    return path


def verify(path: Path, archive: Archive) -> None:
    """Refuse a file that is not the archive.

    Raises:
        DataError: if it cannot be read, or has another size or hash.
    """
    with telling("read", path, otherwise=AGAIN, name=ELSEWHERE):
        if not path.is_file():
            raise DataError(f"{path} is not a regular file; {AGAIN}")
        size = path.stat().st_size
        if size != archive.size:
            raise DataError(f"{path} has {size:,} bytes, not the {archive.size:,} of {archive.name}; {AGAIN}")
        md5 = pooch.file_hash(path, alg="md5")
    if md5 != archive.md5:
        raise DataError(f"{path} has MD5 {md5}, not the {archive.md5} of {archive.name}; {AGAIN}")


def _diagnosis(error: Exception) -> str:
    """Why the archive did not come, and what helps against that, if anything does."""
    if not isinstance(error, RequestException):
        return f"what came is not that file; if your network asks you to log in, do so and {_AGAIN_OR}"
    if error.response is not None:
        status = error.response.status_code
        return f"the server answers {status}; " + "run it again later, or " * (status == 429 or status >= 500)
    causes = _causes(error)
    words = "".join(map(repr, causes))
    if isinstance(error, ProxyError | InvalidURL) or "SOCKS" in words:  # the archive's own URL is valid
        return "the proxy does not work; mend or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or "
    for cause in causes:
        if isinstance(cause, SSLCertVerificationError):
            return _certificate_diagnosis(cause)
    if isinstance(error, SSLError):
        return "no secure connection can be made; mend the proxy or firewall that is between, or "
    if isinstance(error, Timeout):
        words += "timed out"
    return next(
        (said for sign, said in _SIGNS.items() if sign in words), f"the connection was lost; {_AGAIN_OR}"
    ).format(patience=_PATIENCE)


def _certificate_diagnosis(error: SSLCertVerificationError) -> str:
    reason = error.verify_message
    remedy = "set REQUESTS_CA_BUNDLE to the file of certificates that your network uses"
    if "expired" in reason or "not yet valid" in reason:
        remedy = "set this machine's clock"
    return f"its certificate cannot be verified ({reason}); {remedy}, or "


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error and those that caused it; requests holds the errors of urllib3 as arguments."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        inner = getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, BaseException)), None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return seen

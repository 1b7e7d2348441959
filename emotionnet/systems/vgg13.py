"""VGG13, the network that FER+ was published with: plain convolutions, no normalization.

Source: Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced
label distribution" (2016), figure 4, without its two dense layers of 1,024. More than ten times
the size of our face encoder, it serves as something to compare with, and as a teacher.
"""

import keras
from keras import layers

#: Maps of each block's 3×3 convolutions; behind each block half the height and width.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (256, 256, 256))
DROPOUT = 0.25


def vgg13(image_size: int) -> keras.Model:
    """A picture (image_size, image_size, 3; 0...255) to a map of a sixteenth of its side and 256 features.

    3,505,728 parameters. Kernels start by He's rule (ours): without normalization ten layers of
    Glorot's would begin with next to nothing.
    """
    picture = keras.Input((image_size, image_size, 3), name="picture")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(picture)
    for number, widths in enumerate(BLOCKS, start=1):
        for place, width in enumerate(widths, start=1):
            x = layers.Conv2D(
                width, 3, padding="same", activation="relu", kernel_initializer="he_normal",
                name=f"conv_{number}_{place}",
            )(x)  # fmt: skip
        x = layers.MaxPooling2D(name=f"pool_{number}")(x)
        x = layers.Dropout(DROPOUT, name=f"dropout_{number}")(x)
    return keras.Model(picture, x, name="backbone")

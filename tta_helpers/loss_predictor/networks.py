"""Loss predictors, untrained."""

from tta_helpers.quiet import keras


def compact_predictor(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    n_views: int = 12,
    n_classes: int = 10,
    n_kinds: int = 0,
    width: int = 1,
) -> keras.Model:
    """Return a loss predictor that is small beside a target of six million multiply-adds.

    Patches of 4 x 4 pixels become 16 numbers each. The mean squares of these features show texture
    and noise, their means light and colour; squares of 2 x 2 patches show what lies where.
    Borders are filled up with zeros to whole squares.

    Which view suits an image depends on what has befallen it and on what it shows. So the network
    also guesses its class (layer "classes") and, with `n_kinds`, its kind of corruption (layer
    "kinds"). A score is the expectation of a number for each class, plus that of one for each kind.
    `fit_recogniser` teaches the guesses, `fit_predictor` the scores and the class.

    Images are on the scale 0 to 255, (n, h, w, 3); the outputs are scores, (n, views), lower is
    better. Rescaling the images would cost as much as reading them: batch normalisation after the
    first layer sees to the scale instead, and `predict.folded` takes it into that layer.

    `width` times as many units in every layer but the last ones find more and cost up to the square
    of it; a target of a hundred million multiply-adds can afford 4.
    """
    layers = keras.layers
    inputs = keras.Input(image_shape)
    x = layers.Conv2D(16 * width, 4, strides=4, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization(momentum=0.9)(x)
    square, x = layers.Multiply()([x, x]), layers.ReLU()(x)
    features = [layers.GlobalAveragePooling2D()(part) for part in (x, square)]
    y = layers.Conv2D(24 * width, 2, strides=2, padding="same", activation="swish")(x)
    z = layers.Concatenate()([*features, layers.Flatten()(y)])
    z = layers.Dense(64 * width, activation="swish")(layers.Dropout(0.1)(z))
    classes = layers.Dense(n_classes, activation="softmax", name="classes")(z)
    by_class = layers.Dense(n_classes * n_views)(z)
    by_class = layers.Reshape((n_classes, n_views), name="by_class")(by_class)
    scores = layers.Dot(axes=1, name="expected" if n_kinds else "scores")([classes, by_class])
    if n_kinds:
        kinds = layers.Dense(n_kinds, activation="softmax", name="kinds")(z)
        scores = layers.Add(name="scores")([scores, layers.Dense(n_views, name="by_kind")(kinds)])
    return keras.Model(inputs, scores, name="compact_predictor")


def efficientnet_predictor(
    image_shape: tuple[int, int, int] = (32, 32, 3), n_views: int = 12
) -> keras.Model:
    """Return the paper's loss predictor: EfficientNet-B0 with features of several levels.

    Section 3.3. The outputs of four blocks are pooled, each passes a dense layer of its own width,
    and in training each of the four is dropped for a whole image with probability 0.2; joined to
    the head's 1280 features they make 1616, of which 0.3 are dropped. Images are on the scale 0 to
    255, of at least 32 x 32 pixels; the outputs are scores, (n, views), lower is better.
    """
    layers = keras.layers
    inputs = keras.Input(image_shape)
    body = keras.applications.EfficientNetB0(include_top=False, weights=None, input_tensor=inputs)
    taps = []
    for name in ("block2b_add", "block3b_add", "block4c_add", "block6d_add"):
        tap = layers.GlobalAveragePooling2D()(body.get_layer(name).output)
        tap = layers.Dense(tap.shape[-1], activation="swish")(tap)
        taps.append(layers.Dropout(0.2, noise_shape=(None, 1))(tap))
    taps.append(layers.GlobalAveragePooling2D()(body.output))
    x = layers.Dropout(0.3)(layers.Concatenate()(taps))
    scores = layers.Dense(n_views, name="scores")(x)
    return keras.Model(inputs, scores, name="efficientnet_predictor")

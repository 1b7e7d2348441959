// Written by `python -m emotionnet.export` from contract.json, which says what every number means.
// What goes into the model: crops, frames and sound. Plain Kotlin, without Android or LiteRT.

package emotionnet

import java.io.InputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.ZipInputStream
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.hypot
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

/** What contract.json says, as constants. */
object Contract {
    const val NAME = "demo"
    const val MODEL_FILE = "emotion_int8.tflite"

    /** Output `i` of every answer is the probability of label `i`. */
    val LABELS: List<String> = listOf("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

    /** What the model was trained on: what is false has no say, and counts as not seen or heard. */
    const val SEES = true
    const val HEARS = true

    /** Faces of a window, and their height and width in pixels (RGB, 0...255, not scaled). */
    const val FRAMES = 15
    const val FACE_SIZE = 112
    const val FACE_BYTES = FACE_SIZE * FACE_SIZE * 3

    /** Faces a second from the window's beginning on; 0: [FRAMES] equal segments, however long the clip. */
    const val FACES_HZ = 0.0

    /** The sound of a window: mono, zeros after its end. */
    const val SAMPLE_RATE_HZ = 16000
    const val SAMPLES = 40000
    const val WINDOW_S = SAMPLES.toDouble() / SAMPLE_RATE_HZ

    /** Numbers that describe one face (live use). */
    const val EMBEDDING = 576
}

/** A point in pixels of the upright picture: x to the right, y down, the first pixel at 0, 0. */
data class Point(val x: Double, val y: Double)

/** A square of whole pixels; it may reach outside the picture. */
data class Square(val left: Int, val top: Int, val side: Int)

/**
 * Who found the eyes and the mouth: "crop.detectors" in contract.json. Side and drop are in scales of
 * the face; [mouthWeight] is what eye-to-mouth counts against eye-to-eye.
 */
enum class Detector(val side: Double, val drop: Double, val mouthWeight: Double) {
    /** MTCNN, mouth: two corners; what the model learnt from. */
    MTCNN(3.0, 0.6, 0.8),
    /** BlazeFace, mouth: one point, its middle; on 240 frames of 16 clips of people. */
    BLAZEFACE(2.83, 0.54, 0.8),
    /** MediaPipe Face Mesh, mouth: two corners; on 240 frames of 16 clips of people. */
    MEDIAPIPE_FACE_MESH(3.07, 0.59, 0.8),
    /** ML Kit, mouth: two corners; not measured, since it runs on phones only. */
    ML_KIT(3.0, 0.6, 0.8),
}

/**
 * The square around a face: rules 1 to 5 of "crop" in contract.json. Left and right are as seen in
 * the picture. A detector with one mouth point passes it twice.
 */
fun cropSquare(
    leftEye: Point,
    rightEye: Point,
    mouthLeft: Point,
    mouthRight: Point,
    detector: Detector,
): Square {
    val eyesX = (leftEye.x + rightEye.x) / 2
    val eyesY = (leftEye.y + rightEye.y) / 2
    val downX = (mouthLeft.x + mouthRight.x) / 2 - eyesX
    val downY = (mouthLeft.y + mouthRight.y) / 2 - eyesY
    val length = hypot(downX, downY)
    val eyeDistance = hypot(rightEye.x - leftEye.x, rightEye.y - leftEye.y)
    val scale = max(eyeDistance, detector.mouthWeight * length)
    val drop = detector.drop * scale
    val centreX = if (length > 0) eyesX + drop * downX / length else eyesX
    val centreY = if (length > 0) eyesY + drop * downY / length else eyesY + drop
    // kotlin.math.round takes halves to even, as the rule says.
    val side = max(2, round(detector.side * scale).toInt())
    val half = (side - 1) / 2.0
    return Square(round(centreX - half).toInt(), round(centreY - half).toInt(), side)
}

/**
 * Cuts [square] out of a picture and resizes it: rules 5 and 6 of "crop" in contract.json.
 *
 * [pixels] is ARGB as `Bitmap.getPixels` gives it, row by row. RGB bytes go to [out] from [offset];
 * a value above 127 is a negative byte.
 */
fun cropFace(
    pixels: IntArray,
    width: Int,
    height: Int,
    square: Square,
    out: ByteArray,
    offset: Int = 0,
    size: Int = Contract.FACE_SIZE,
) {
    require(pixels.size >= width * height) { "pixels: ${pixels.size} for $width x $height" }
    require(out.size >= offset + size * size * 3) { "out is too short: ${out.size}" }
    val taps = Taps.of(square.side, size)
    val sums = FloatArray(size * 3)
    val line = FloatArray(size * 3)
    for (y in 0 until size) {
        sums.fill(0f)
        for (k in taps.start[y] until taps.start[y + 1]) {
            resizeLine(pixels, width, height, square, taps, square.top + taps.source[k], line)
            for (i in sums.indices) sums[i] += taps.weight[k] * line[i]
        }
        val row = offset + y * size * 3
        for (i in sums.indices) out[row + i] = round(sums[i]).toInt().coerceIn(0, 255).toByte()
    }
}

private fun resizeLine(
    pixels: IntArray,
    width: Int,
    height: Int,
    square: Square,
    taps: Taps,
    y: Int,
    line: FloatArray,
) {
    line.fill(0f)
    if (y < 0 || y >= height) return // outside the picture is black
    for (x in 0 until line.size / 3) {
        for (k in taps.start[x] until taps.start[x + 1]) {
            val column = square.left + taps.source[k]
            if (column < 0 || column >= width) continue
            val argb = pixels[y * width + column]
            val weight = taps.weight[k]
            line[3 * x] += weight * (argb shr 16 and 255)
            line[3 * x + 1] += weight * (argb shr 8 and 255)
            line[3 * x + 2] += weight * (argb and 255)
        }
    }
}

/** Which old pixels make each new one along an axis: [start] to the next, with [weight]s. */
private class Taps(val start: IntArray, val source: IntArray, val weight: FloatArray) {
    companion object {
        fun of(old: Int, new: Int): Taps {
            val start = IntArray(new + 1)
            val source = ArrayList<Int>()
            val weight = ArrayList<Float>()
            val ratio = old.toDouble() / new
            for (i in 0 until new) {
                if (old > new) {
                    // Average over the area covered.
                    val from = i * ratio
                    val to = min(from + ratio, old.toDouble())
                    for (j in floor(from).toInt() until min(old, ceil(to).toInt())) {
                        val covered = min(to, j + 1.0) - max(from, j.toDouble())
                        if (covered > 1e-9) {
                            source.add(j)
                            weight.add((covered / (to - from)).toFloat())
                        }
                    }
                } else {
                    // Bilinear, pixel centres aligned, edges repeated.
                    val at = ((i + 0.5) * ratio - 0.5).coerceIn(0.0, old - 1.0)
                    val low = min(floor(at).toInt(), old - 1)
                    val share = (at - low).toFloat()
                    source.add(low)
                    weight.add(1 - share)
                    source.add(min(low + 1, old - 1))
                    weight.add(share)
                }
                start[i + 1] = source.size
            }
            return Taps(start, source.toIntArray(), weight.toFloatArray())
        }
    }
}

/**
 * Which frames stand for a window: the rule "faces.pick" of contract.json.
 *
 * [timesS] are the times at which frames begin, ascending; [hasFace] says which have a face.
 *
 * @return for each of [frames] segments the number of a frame, or -1 where none has a face.
 */
fun pickFrames(
    timesS: DoubleArray,
    hasFace: BooleanArray,
    startS: Double,
    endS: Double,
    frames: Int = Contract.FRAMES,
    facesHz: Double = Contract.FACES_HZ,
): IntArray {
    val picked = IntArray(frames) { -1 }
    if (timesS.isEmpty()) return picked
    val n = timesS.size
    val frameS = if (n > 1) (timesS[n - 1] - timesS[0]) / (n - 1) else 1.0 / 30
    // A picture that ends before the sound does still fills all the segments.
    val lastS = min(endS, timesS[n - 1] + frameS)
    val segmentS = if (facesHz > 0) 1 / facesHz else max((lastS - startS) / frames, 1e-6)
    val reachS = max(segmentS, frameS) / 2 + 1e-3
    for (i in 0 until frames) {
        val centreS = startS + (i + 0.5) * segmentS
        if (facesHz > 0 && centreS > lastS) break
        var nearestS = Double.MAX_VALUE
        for (j in 0 until n) {
            val middleS = timesS[j] + frameS / 2
            // Of two frames equally near, the earlier.
            val distanceS = abs(middleS - (centreS - 1e-4))
            if (hasFace[j] && abs(middleS - centreS) <= reachS && distanceS < nearestS) {
                picked[i] = j
                nearestS = distanceS
            }
        }
    }
    return picked
}

/** Up to this peak, in steps of 16 bits, sound is digital silence: a microphone that is off. */
private const val SILENCE_STEPS = 2

/** The length of a sound for the model: [samples], or 0 for digital silence. */
fun audible(waveform: FloatArray, samples: Int): Int =
    if ((0 until samples).any { abs(waveform[it]) > SILENCE_STEPS / 32768f }) samples else 0

/** The last [capacity] samples of a microphone, as the model wants them. Its calls may come from any thread. */
class SoundRing(private val capacity: Int = Contract.SAMPLES) {
    private val samples = FloatArray(capacity)
    private var next = 0
    private var filled = 0

    /**
     * Adds [count] 16-bit samples (mono, [Contract.SAMPLE_RATE_HZ]); nothing for a negative count, by which
     * `AudioRecord.read` reports an error.
     */
    @Synchronized
    fun add(pcm: ShortArray, count: Int = pcm.size) {
        if (count <= 0) return
        for (i in max(0, count - capacity) until count) {
            samples[next] = pcm[i] / 32768f
            next = (next + 1) % capacity
        }
        filled = min(capacity, filled + count)
    }

    /** Copies the sound, oldest sample first and zeros after its end; returns its true length. */
    @Synchronized
    fun copyTo(waveform: FloatArray): Int {
        require(waveform.size == capacity) { "waveform: ${waveform.size}, not $capacity" }
        val oldest = (next - filled + capacity) % capacity
        for (i in 0 until filled) waveform[i] = samples[(oldest + i) % capacity]
        waveform.fill(0f, filled, capacity)
        return filled
    }

    /** Forgets everything. */
    @Synchronized
    fun clear() {
        next = 0
        filled = 0
    }
}

/**
 * The last frames of a camera (room for a window at 60 a second): when each began, and if it had a face
 * its embedding, the numbers that the model makes of it.
 */
class FaceRing(
    private val capacity: Int = max(8 * Contract.FRAMES, ceil(60 * Contract.WINDOW_S).toInt()),
    private val width: Int = Contract.EMBEDDING,
    private val frames: Int = Contract.FRAMES,
) {
    private val timesS = DoubleArray(capacity)
    private val hasFace = BooleanArray(capacity)
    private val features = FloatArray(capacity * width)
    private var next = 0
    private var filled = 0

    /** Adds a frame that began at [timeS], later than all before; null: it shows no face. */
    fun add(timeS: Double, embedding: FloatArray?) {
        require(filled == 0 || timeS > timesS[(next - 1 + capacity) % capacity]) {
            "frames come in the order of time"
        }
        require(embedding == null || embedding.size == width) { "embedding: ${embedding?.size}" }
        timesS[next] = timeS
        hasFace[next] = embedding != null
        embedding?.copyInto(features, next * width)
        next = (next + 1) % capacity
        filled = min(capacity, filled + 1)
    }

    /**
     * Fills [embeddings] (frames * width) and [mask] (frames) for the window that ends at [endS];
     * returns how many faces there are.
     */
    fun window(
        endS: Double,
        embeddings: FloatArray,
        mask: FloatArray,
        windowS: Double = Contract.WINDOW_S,
    ): Int {
        val oldest = (next - filled + capacity) % capacity
        val order = (0 until filled).map { (oldest + it) % capacity }
        val inside = order.filter { timesS[it] >= endS - windowS && timesS[it] < endS }
        mask.fill(0f)
        embeddings.fill(0f)
        if (inside.isEmpty()) return 0
        val picked =
            pickFrames(
                DoubleArray(inside.size) { timesS[inside[it]] },
                BooleanArray(inside.size) { hasFace[inside[it]] },
                // A window that has only begun is as long as what it holds.
                timesS[inside[0]],
                endS,
                frames,
            )
        for (i in picked.indices) {
            if (picked[i] < 0) continue
            val slot = inside[picked[i]]
            features.copyInto(embeddings, i * width, slot * width, (slot + 1) * width)
            mask[i] = 1f
        }
        return picked.count { it >= 0 }
    }

    /** Forgets everything. */
    fun clear() {
        next = 0
        filled = 0
    }
}

/**
 * The arrays of one of the archives in `golden/`, by name. Rows follow one another, so that bytes and
 * numbers are in the order in which `EmotionClassifier` takes them.
 */
fun readArrays(archive: InputStream): Map<String, ByteBuffer> {
    val arrays = mutableMapOf<String, ByteBuffer>()
    ZipInputStream(archive).use { zip ->
        while (true) {
            val entry = zip.nextEntry ?: break
            val file = ByteBuffer.wrap(zip.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
            // Ten bytes, the last two of which say how long the description is that follows.
            file.position(10 + file.getShort(8))
            arrays[entry.name.removeSuffix(".npy")] = file.slice().order(ByteOrder.LITTLE_ENDIAN)
        }
    }
    return arrays
}

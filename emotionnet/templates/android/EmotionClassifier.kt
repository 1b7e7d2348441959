// Written by `python -m emotionnet.export` from contract.json, which says what every number means.
// UI-free: copy this file, EmotionInputs.kt and the .tflite into an app. See ANDROID.md.

package {{ package }}

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.Interpreter

/** An answer: [probabilities] of both together, of the [face] and of the [speech]. Order: [Contract.LABELS]. */
class Answer(
    val probabilities: FloatArray,
    val face: FloatArray,
    val speech: FloatArray,
    /** Whether a face was seen, and sound heard, that the model answers from. With neither, all is uniform. */
    val seen: Boolean,
    val heard: Boolean,
) {
    private val best: Int
        get() = probabilities.indices.maxByOrNull { probabilities[it] } ?: 0

    /** The most probable label, and its probability. */
    val label: String
        get() = Contract.LABELS[best]
    val confidence: Float
        get() = probabilities[best]

    /** Label to probability, the largest first. */
    fun ranked(): List<Pair<String, Float>> =
        Contract.LABELS.zip(probabilities.asList()).sortedByDescending { it.second }
}

/** A loaded model: entry points ("signatures") with inputs and outputs by name. */
interface ModelRuntime : Closeable {
    /** Runs [signature]; values are ByteArray (uint8), FloatArray or IntArray. */
    fun run(signature: String, inputs: Map<String, Any>): Map<String, FloatArray>
}

/** The entry points of contract.json and their outputs with the number of values of each. */
internal val OUTPUTS: Map<String, Map<String, Int>> = mapOf(
{{ outputs }}
)

/** LiteRT's CompiledModel. Buffers are made at the first call of a signature, and kept. */
class CompiledModelRuntime(private val model: CompiledModel) : ModelRuntime {
    private class Call(val inputs: Map<String, TensorBuffer>, val outputs: Map<String, TensorBuffer>)

    private val calls = HashMap<String, Call>()

    override fun run(signature: String, inputs: Map<String, Any>): Map<String, FloatArray> {
        val call =
            calls.getOrPut(signature) {
                Call(
                    inputs.keys.associateWith { model.createInputBuffer(it, signature) },
                    OUTPUTS.getValue(signature).keys.associateWith {
                        model.createOutputBuffer(it, signature)
                    },
                )
            }
        for ((name, value) in inputs) {
            val buffer = call.inputs.getValue(name)
            when (value) {
                is FloatArray -> buffer.writeFloat(value)
                is IntArray -> buffer.writeInt(value)
                // Copies bytes as they are: right for uint8 too.
                is ByteArray -> buffer.writeInt8(value)
                else -> throw IllegalArgumentException("$name: ${value::class}")
            }
        }
        model.run(call.inputs, call.outputs, signature)
        return call.outputs.mapValues { it.value.readFloat() }
    }

    override fun close() {
        calls.values.forEach { call ->
            (call.inputs.values + call.outputs.values).forEach { it.close() }
        }
        calls.clear()
        model.close()
    }

    companion object {
        /** Loads [file] from the app's assets. The int8 file is meant for the CPU. */
        fun fromAssets(assets: AssetManager, file: String = Contract.MODEL_FILE) =
            CompiledModelRuntime(
                CompiledModel.create(assets, file, CompiledModel.Options(Accelerator.CPU))
            )

        /** Loads a file from storage. */
        fun fromFile(path: String) =
            CompiledModelRuntime(
                CompiledModel.create(path, CompiledModel.Options(Accelerator.CPU))
            )
    }
}

/** The Interpreter form, for apps that have it already. Buffers are made once and kept. */
class InterpreterRuntime(private val interpreter: Interpreter) : ModelRuntime {
    private class Call(val inputs: Map<String, ByteBuffer>, val outputs: Map<String, ByteBuffer>)

    private val calls = HashMap<String, Call>()

    override fun run(signature: String, inputs: Map<String, Any>): Map<String, FloatArray> {
        val call =
            calls.getOrPut(signature) {
                Call(
                    inputs.mapValues { direct(bytes(it.value)) },
                    OUTPUTS.getValue(signature).mapValues { direct(4 * it.value) },
                )
            }
        for ((name, value) in inputs) {
            val buffer = call.inputs.getValue(name)
            buffer.rewind()
            when (value) {
                is FloatArray -> buffer.asFloatBuffer().put(value)
                is IntArray -> buffer.asIntBuffer().put(value)
                is ByteArray -> buffer.put(value)
            }
            buffer.rewind()
        }
        call.outputs.values.forEach { it.rewind() }
        interpreter.runSignature(call.inputs, call.outputs, signature)
        return call.outputs.mapValues { (_, buffer) ->
            buffer.rewind()
            FloatArray(buffer.capacity() / 4).also { buffer.asFloatBuffer().get(it) }
        }
    }

    override fun close() {
        calls.clear()
        interpreter.close()
    }

    companion object {
        /** Loads [file] from the app's assets, compressed or not. */
        fun fromAssets(
            assets: AssetManager,
            file: String = Contract.MODEL_FILE,
            threads: Int = 2,
        ): InterpreterRuntime {
            val model = assets.open(file).use { it.readBytes() }
            val buffer = direct(model.size).apply { put(model).rewind() }
            return InterpreterRuntime(
                Interpreter(buffer, Interpreter.Options().setNumThreads(threads))
            )
        }

        private fun direct(size: Int) =
            ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())

        private fun bytes(value: Any) =
            when (value) {
                is FloatArray -> 4 * value.size
                is IntArray -> 4 * value.size
                is ByteArray -> value.size
                else -> throw IllegalArgumentException("${value::class}")
            }
    }
}

/**
 * Emotion from faces and sound. Not thread-safe: call it from one thread, not the main one.
 *
 * Whole clips: [classify].
{% if live %}
 * Live: [addFrame] for every camera frame that you look at, [hear] now and then, [answer] when you
 * want to know. Each face is encoded once.
{% endif %}
 */
class EmotionClassifier(private val runtime: ModelRuntime) : Closeable {
    private val length = IntArray(1)

    /**
     * Answers for one window.
     *
     * @param faces FRAMES crops of [cropFace] one after the other; any bytes where masked.
     * @param mask FRAMES values: 1 where there is a face, 0 where not.
     * @param waveform SAMPLES values in -1...1, zeros after the end.
     * @param samples true length of the sound; 0, or digital silence: answer from the faces alone.
     */
    fun classify(faces: ByteArray, mask: FloatArray, waveform: FloatArray, samples: Int): Answer {
        require(faces.size == Contract.FRAMES * Contract.FACE_BYTES) { "faces: ${faces.size}" }
        require(mask.size == Contract.FRAMES) { "mask: ${mask.size}" }
        checkSound(waveform, samples)
        length[0] = audible(waveform, samples)
        val outputs =
            runtime.run(
                "classify",
                mapOf(
                    "faces" to faces,
                    "frame_mask" to mask,
                    "waveform" to waveform,
                    "waveform_samples" to length,
                ),
            )
        return answerOf(outputs, mask.any { it > 0 }, length[0] > 0)
    }
{% if live %}

    private val faces = FaceRing()
    private val embeddings = FloatArray(Contract.FRAMES * Contract.EMBEDDING)
    private val mask = FloatArray(Contract.FRAMES)
    // A speech stream may know other classes than the model, which then joins them in "fuse".
    private var speechLogits = FloatArray(OUTPUTS.getValue("encode_speech").getValue("speech_logits"))
    private var heardSamples = 0

    /** Encodes one face ([cropFace]) of the frame that began at [timeS]; null: it shows none. */
    fun addFrame(timeS: Double, face: ByteArray?) {
        require(face == null || face.size == Contract.FACE_BYTES) { "face: ${face?.size}" }
        faces.add(
            timeS,
            face?.let { runtime.run("encode_face", mapOf("face" to it)).getValue("embedding") },
        )
    }

    /** Encodes the sound of the window, as [SoundRing.copyTo] gives it; digital silence is no sound. */
    fun hear(waveform: FloatArray, samples: Int) {
        checkSound(waveform, samples)
        heardSamples = audible(waveform, samples)
        if (heardSamples == 0) return
        length[0] = heardSamples
        speechLogits =
            runtime
                .run("encode_speech", mapOf("waveform" to waveform, "waveform_samples" to length))
                .getValue("speech_logits")
    }

    /** The answer for the window that ends at [endS], from what was added and heard. */
    fun answer(endS: Double): Answer {
        val seen = faces.window(endS, embeddings, mask) > 0
        length[0] = heardSamples
        val outputs =
            runtime.run(
                "fuse",
                mapOf(
                    "embeddings" to embeddings,
                    "frame_mask" to mask,
                    "speech_logits" to speechLogits,
                    "waveform_samples" to length,
                ),
            )
        return answerOf(outputs, seen, heardSamples > 0)
    }

    /** Forgets what was seen and heard: for another person, or after a pause. The ring of sound: [SoundRing.clear]. */
    fun reset() {
        faces.clear()
        heardSamples = 0
    }
{% endif %}

    override fun close() = runtime.close()

    private fun checkSound(waveform: FloatArray, samples: Int) {
        require(waveform.size == Contract.SAMPLES) { "waveform: ${waveform.size}" }
        require(samples in 0..Contract.SAMPLES) { "samples: $samples" }
    }

    private fun answerOf(outputs: Map<String, FloatArray>, seen: Boolean, heard: Boolean) =
        Answer(
            outputs.getValue("probabilities"),
            outputs.getValue("face_probabilities"),
            outputs.getValue("speech_probabilities"),
            seen && Contract.SEES,
            heard && Contract.HEARS,
        )
}
